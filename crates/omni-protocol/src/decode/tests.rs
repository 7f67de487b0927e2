use proptest::prelude::*;

use super::*;

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn rejection(text: &str) -> (i32, Option<String>) {
    let rejected = decode(&frame(text)).expect_err(text);
    (rejected.error.code.number(), rejected.id.map(|id| format!("{id:?}")))
}

#[test]
fn a_request_keeps_its_parameters_as_they_were_written() {
    let bytes = frame(r#" {"jsonrpc":"2.0", "id":7, "method":"tools/call", "params":{ "a" : 1.50 }}"#);
    let Ok(Message::Request(request)) = decode(&bytes) else { panic!("no request") };
    assert_eq!(request.id.as_json(), b"7");
    assert_eq!(&*request.method, "tools/call");
    assert_eq!(request.params.as_deref(), Some(br#"{ "a" : 1.50 }"#.as_slice()));
}

#[test]
fn an_answer_keeps_what_was_answered_as_it_was_written() {
    let read = |text: &str| match decode(&frame(text)) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    };
    let result = read(r#"{"jsonrpc":"2.0","id":7,"result":{ "a" : 1.50 }}"#);
    assert_eq!(result.id.expect("an id").as_json(), b"7");
    assert_eq!(result.result.as_deref(), Ok(br#"{ "a" : 1.50 }"#.as_slice()));
    let error = read(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"no","data":[ 1 ]}}"#);
    assert_eq!(error.id, None);
    assert_eq!(
        error.result,
        Err(PeerError { code: -32022, message: "no".into(), data: Some(frame("[ 1 ]")) })
    );
    let null = read(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#);
    assert_eq!(null.result, Ok(frame("{}")));
    let null = read(r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":"m"}}"#);
    assert!(null.result.is_err());
    let text = read(r#"{"jsonrpc":"2.0","id":1,"error":"it broke"}"#);
    assert_eq!(text.result, Err(PeerError { code: 0, message: "\"it broke\"".into(), data: None }));
}

#[test]
fn every_broken_frame_gets_its_code_and_its_id_where_one_can_be_read() {
    let id = |text: &str| Some(text.to_owned());
    let cases = [
        ("hello", (-32700, None)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, (-32700, id("1"))),
        (r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":NaN}}"#, (-32700, id("\"a\""))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\ud800"}}"#, (-32700, id("1"))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} trailing"#, (-32700, id("1"))),
        ("7", (-32600, None)),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, (-32600, None)),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, (-32600, None)),
        (r#"{"jsonrpc":"2.0","id":1}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":3,"method":"a","params":{"name":"x","name":"y"}}"#, (-32600, id("3"))),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"a","params":{"a":{"b":{"c":[{"d":1,"d":1}]}}}}"#,
            (-32600, id("3")),
        ),
        (r#"{"jsonrpc":"2.0","result":{}}"#, (-32600, None)),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, (-32600, id("1"))),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"id":2}"#, (-32700, id("1"))),
        (r#"{"jsonrpc":"2.0","method":"ping"}{"id":2}"#, (-32700, None)),
        (r#"["id":5]"#, (-32700, None)),
        ("[]", (-32600, None)),
    ];
    for (text, expected) in cases {
        assert_eq!(rejection(text), expected, "{text}");
    }
}

/// Ids as they can stand in a frame that is broken further on, and what is echoed of them.
#[test]
fn an_id_is_echoed_only_when_it_is_one_by_the_grammar_of_json() {
    let long = format!("1{}", "0".repeat(400));
    let echoed = [
        ("0", "0"),
        ("-0", "-0"),
        ("-7", "-7"),
        (&long, &long),
        ("\"\"", "\"\""),
        (r#""a\u0062""#, "\"ab\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\u0001\/""#, r#""\u0001/""#),
        (" \t\r\n5 ", "5"),
    ];
    let refused = [
        "007",
        "-",
        "--1",
        "-01",
        "+1",
        "1.",
        ".5",
        "1.5",
        "1e2",
        "1E+400",
        "1e99999999999",
        "0x1",
        "1_000",
        "1-2",
        "NaN",
        "Infinity",
        "-Infinity",
        "null",
        "true",
        "[1]",
        "{\"id\":1}",
        "'a'",
        "\"a\u{1}\"",
        "\"a\tb\"",
        "\"a\n\"",
        r#""\x41""#,
        r#""\u12""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u0041""#,
        "\u{c}1",
        "٣",
        "\"a",
        "",
    ];
    let salvaged =
        |id: &str, rest: &str| salvage_id(&frame(&format!(r#"{{"jsonrpc":"2.0","id":{id}{rest}"#)));
    for (id, expected) in echoed {
        for rest in [",\"method\":}", "}}", ", ["] {
            let found = salvaged(id, rest).map(|id| String::from_utf8(id.as_json().to_vec()).unwrap());
            assert_eq!(found.as_deref(), Some(expected), "{id}{rest}");
        }
    }
    for id in refused {
        assert_eq!(salvaged(id, ",\"method\":}"), None, "{id}");
        let whole = rejection(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
        assert_eq!(whole.1, None, "{id}");
    }
    assert_eq!(salvage_id(&Bytes::from_static(b"{\"id\":\"\xff\",}")), None, "no UTF-8");
}

#[test]
fn brackets_without_end_are_refused_and_not_waited_for() {
    for n in [1, 64, 65, 200, 100_000] {
        let open = "[".repeat(n);
        assert_eq!(rejection(&open).0, -32700, "{n}");
        assert_eq!(rejection(&"{\"a\":".repeat(n)).0, -32700, "{n}");
        let params = format!(r#"{{"jsonrpc":"2.0","id":4,"method":"a","params":{{"a":{open}"#);
        assert_eq!(rejection(&params), (-32700, Some("4".into())), "{n}");
        let whole =
            format!(r#"{{"jsonrpc":"2.0","id":4,"method":"a","params":{{"a":{open}{}}}}}"#, "]".repeat(n));
        assert_eq!(decode(&frame(&whole)).is_ok(), n < 63, "{n}");
    }
}

#[test]
fn a_byte_order_mark_before_a_frame_is_passed_over_and_nowhere_else() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert!(matches!(decode(&frame(&format!("\u{feff}{ping}"))), Ok(Message::Request(_))));
    assert!(matches!(decode(&frame(&format!("\u{feff}[{ping}]"))), Ok(Message::Batch(_))));
    assert_eq!(rejection(&format!("\u{feff}\u{feff}{ping}")).0, -32700);
    assert_eq!(rejection(&format!(" \u{feff}{ping}")).0, -32700);
    assert_eq!(rejection("\u{feff}{\"id\":1,}"), (-32700, Some("1".into())));
}

#[test]
fn white_space_is_what_json_calls_so() {
    let text = "\r\n\t {\"jsonrpc\":\r\"2.0\",\"id\":1,\r\"method\":\"ping\"}\r";
    assert!(matches!(decode(&frame(text)), Ok(Message::Request(_))));
    for other in ["\0", "\u{c}", "\u{a0}", "\u{2028}"] {
        assert_eq!(
            rejection(&format!(r#"{{"jsonrpc":"2.0","id":1,{other}"method":"ping"}}"#)),
            (-32700, Some("1".into()))
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_a_parse_error_under_their_id() {
    let bytes = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"\xff\"}");
    let rejected = decode(&bytes).expect_err("not UTF-8");
    assert_eq!(rejected.error.code, ErrorCode::ParseError);
    assert_eq!(rejected.id.map(|id| id.as_json().to_vec()), Some(b"9".to_vec()));
}

#[test]
fn ids_with_escapes_equal_the_same_ids_without() {
    let plain = Id::parse(&frame("\"a\""));
    assert!(plain.is_some());
    assert_eq!(Id::parse(&frame(r#""\u0061""#)), plain);
}

#[test]
fn a_batch_is_decoded_message_by_message() {
    let bytes =
        frame(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"n"},{"id":2}, [1]]"#);
    let Ok(Message::Batch(items)) = decode(&bytes) else { panic!("no batch") };
    assert!(matches!(items[0], Ok(Message::Request(_))));
    assert!(matches!(items[1], Ok(Message::Notification(_))));
    assert!(items[2].is_err() && items[3].is_err());
}

proptest! {
    /// Whatever arrives, decoding ends with a value; and what it accepts as a request is JSON with that id.
    #[test]
    fn no_bytes_can_panic_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&Bytes::from(bytes));
    }

    #[test]
    fn a_mutated_request_is_answered_under_its_own_id_or_none(at in 0usize..70, with in any::<u8>()) {
        let mut bytes = br#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"a.b"}}"#.to_vec();
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(Message::Request(request)) = decode(&Bytes::from(bytes.clone())) {
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(value["id"].to_string().into_bytes(), request.id.as_json().to_vec());
        }
    }
}
