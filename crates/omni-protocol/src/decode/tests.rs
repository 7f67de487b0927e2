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
        ("[]", (-32600, None)),
    ];
    for (text, expected) in cases {
        assert_eq!(rejection(text), expected, "{text}");
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
