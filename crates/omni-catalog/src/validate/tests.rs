use serde_json::json;

use super::*;

/// What a model is told about `arguments`, or `None` when they fit.
fn told(schema: &Value, arguments: &str) -> Option<String> {
    let text = schema.to_string();
    let compiled = Schema::compile(&text);
    assert_eq!(compiled.0.as_ref().err(), None, "{text}");
    compiled
        .check_arguments("notes.save", || &text, arguments.as_bytes())
        .err()
        .map(|faults| faults.to_string())
}

fn object(properties: Value, required: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[test]
fn all_faults_are_told_at_once_in_words_that_help() {
    let schema = object(json!({"title": {"type": "string"}, "body": {"type": "string"}}), json!(["title"]));
    assert_eq!(
        told(&schema, r#"{"titel":"x"}"#).unwrap(),
        "`notes.save` was not called: 2 problems with its arguments\n\
         - /titel: unknown argument (did you mean `title`?)\n\
         - /title: required, but missing"
    );
    assert_eq!(
        told(&schema, r#"{"title":5}"#).unwrap(),
        "`notes.save` was not called: 1 problem with its arguments\n- /title: expected string, got number 5"
    );
}

#[test]
fn every_kind_of_fault_names_its_place_and_what_was_expected() {
    let cases = [
        (json!({"type": "integer"}), "1.5", "expected integer, got number 1.5"),
        (json!({"type": "integer"}), "\"3\"", "expected integer, got string \"3\""),
        (json!({"type": "boolean"}), "null", "expected boolean, got null"),
        (json!({"type": ["string", "null"]}), "1", "expected null or string, got number 1"),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            "\"x\"",
            "expected integer or null, got \"x\"",
        ),
        (
            json!({"enum": ["red", "green"]}),
            "\"gren\"",
            "expected one of \"red\", \"green\", got \"gren\" (did you mean \"green\"?)",
        ),
        (json!({"const": 7}), "8", "expected 7, got 8"),
        (json!({"minimum": 1}), "0", "must be at least 1, got 0"),
        (json!({"maximum": 9}), "10", "must be at most 9, got 10"),
        (json!({"exclusiveMinimum": 0}), "0", "must be more than 0, got 0"),
        (json!({"exclusiveMaximum": 1}), "1", "must be less than 1, got 1"),
        (json!({"multipleOf": 5}), "7", "must be a multiple of 5, got 7"),
        (json!({"minLength": 2}), "\"a\"", "must have at least 2 characters, got \"a\""),
        (json!({"maxLength": 2}), "\"abc\"", "must have at most 2 characters, got \"abc\""),
        (json!({"pattern": "^[a-z]+$"}), "\"A1\"", "must match the pattern `^[a-z]+$`, got \"A1\""),
        (json!({"minItems": 1}), "[]", "must have at least 1 items, has 0"),
        (json!({"maxItems": 1}), "[1,2]", "must have at most 1 items, has 2"),
        (json!({"uniqueItems": true}), "[1,1]", "its items must all differ, got [1,1]"),
        (json!({"minProperties": 1}), "{}", "must have at least 1 members, has 0"),
        (json!(false), "1", "nothing is allowed here, got 1"),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            r#"{"ab":1}"#,
            "the name \"ab\" is not allowed: must have at most 1 characters, got \"ab\"",
        ),
    ];
    for (schema, value, message) in cases {
        let told = told(&object(json!({"v": schema}), json!([])), &format!("{{\"v\":{value}}}")).unwrap();
        assert_eq!(told.lines().nth(1).unwrap(), format!("- /v: {message}"));
    }
}

#[test]
fn keywords_of_the_newest_draft_are_checked_where_they_stand() {
    let pair =
        json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false});
    let cases = [
        (
            object(json!({"p": pair}), json!([])),
            r#"{"p":["a","b"]}"#,
            "/p/1: expected integer, got string \"b\"",
        ),
        (object(json!({"p": pair}), json!([])), r#"{"p":["a",1,2]}"#, "/p/2: nothing is allowed here, got 2"),
        (
            json!({"type": "object", "dependentRequired": {"user": ["password"]}}),
            r#"{"user":"a"}"#,
            "/password: required together with the others given, but missing",
        ),
        (
            json!({"type": "object", "properties": {"a": true}, "unevaluatedProperties": false}),
            r#"{"b":1}"#,
            "/b: unknown argument (known: `a`)",
        ),
        (
            object(json!({"item": {"$ref": "#/$defs/Item"}}), json!([])),
            r#"{"item":{"name":"x","pirce":2}}"#,
            "/item/pirce: unknown property (did you mean `price`?)",
        ),
        (
            object(json!({"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}}), json!([])),
            r#"{"items":[{"name":"x"},{"name":3}]}"#,
            "/items/1/name: expected string, got number 3",
        ),
        (
            object(json!({"item": {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]}}), json!([])),
            r#"{"item":{"name":4}}"#,
            "/item/name: expected string, got number 4",
        ),
        (
            object(json!({"a/b": {"type": "object", "required": ["c~d"]}}), json!([])),
            r#"{"a/b":{}}"#,
            "/a~1b/c~0d: required, but missing",
        ),
        (object(json!({}), json!([])), "[]", "(the whole value): expected object, got array []"),
    ];
    for (mut schema, arguments, line) in cases {
        schema["$defs"] = json!({"Item": object(json!({"name": {"type": "string"}, "price": {"type": "number"}}), json!(["name"]))});
        assert_eq!(
            told(&schema, arguments).unwrap().lines().nth(1).unwrap(),
            format!("- {line}"),
            "{arguments}"
        );
    }
}

/// Two kinds of condition, told apart by `op`, as two dataclasses with a `Literal` each give them.
fn conditions() -> Value {
    let compare =
        json!({"op": {"enum": ["eq", "gt"]}, "field": {"type": "string"}, "value": {"type": "integer"}});
    let group =
        json!({"op": {"enum": ["and", "or"]}, "items": {"type": "array", "items": {"$ref": "#/$defs/C"}}});
    let mut schema = object(
        json!({
            "where": {"anyOf": [{"$ref": "#/$defs/C"}, {"$ref": "#/$defs/G"}]},
            "all": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/C"}, {"$ref": "#/$defs/G"}]}},
            "plain": {"anyOf": [
                object(json!({"a": {"type": "integer"}, "b": {"type": "integer"}}), json!(["a", "b"])),
                object(json!({"c": {"type": "integer"}}), json!(["c"])),
                {"type": "string"},
            ]},
        }),
        json!([]),
    );
    schema["$defs"] = json!({
        "C": object(compare, json!(["op", "field", "value"])),
        "G": object(group, json!(["op", "items"])),
    });
    schema
}

#[test]
fn a_failed_union_names_the_fault_of_the_member_that_was_meant() {
    let cases = [
        // By its tag.
        (r#"{"where":{"op":"eq","field":"age"}}"#, "/where/value: required, but missing"),
        (
            r#"{"where":{"op":"or","items":[{"op":"eq","field":"a","value":"x"}]}}"#,
            "/where/items/0/value: expected integer, got string \"x\"",
        ),
        (r#"{"all":[{"op":"gt","field":1,"value":1}]}"#, "/all/0/field: expected string, got number 1"),
        // A tag that no member has.
        (
            r#"{"where":{"op":"en","field":"age"}}"#,
            "/where/op: expected one of \"eq\", \"gt\", \"and\", \"or\", got \"en\"",
        ),
        (r#"{"all":[{"op":7}]}"#, "/all/0/op: expected one of \"eq\", \"gt\", \"and\", \"or\", got 7"),
        // Without a tag, the closest.
        (r#"{"plain":{"a":1}}"#, "/plain/b: required, but missing"),
        (r#"{"plain":{"c":"x"}}"#, "/plain/c: expected integer, got string \"x\""),
        (r#"{"plain":5}"#, "/plain: expected object or string, got 5"),
    ];
    for (arguments, line) in cases {
        let said = told(&conditions(), arguments).unwrap();
        assert_eq!(said.lines().nth(1).unwrap(), format!("- {line}"), "{arguments}");
    }
}

#[test]
fn what_fits_passes() {
    let schema = object(
        json!({"n": {"type": "integer"}, "when": {"type": "string", "format": "date-time"}}),
        json!(["n"]),
    );
    for arguments in [
        r#"{"n":1}"#,
        r#"{"n":1.0}"#,
        r#"{"n":1,"when":"2024-01-01 10:00"}"#,
        r#"{"n":12345678901234567890123}"#,
    ] {
        assert_eq!(told(&schema, arguments), None);
    }
}

#[test]
fn long_values_and_long_lists_of_faults_are_cut() {
    let schema = object(json!({"v": {"type": "integer"}}), json!([]));
    let told_long = told(&schema, &format!("{{\"v\":\"{}\"}}", "ä".repeat(10_000))).unwrap();
    assert!(told_long.len() < 500, "{}", told_long.len());
    let many: Vec<String> = (0..50).map(|n| format!("\"unknown_{n}\":1")).collect();
    let told_many = told(&schema, &format!("{{{}}}", many.join(","))).unwrap();
    assert!(told_many.starts_with("`notes.save` was not called: 50 problems"));
    assert!(told_many.ends_with("- … and 30 more"), "{told_many}");
}

#[test]
fn what_is_not_json_to_every_reader_is_malformed() {
    let text = json!({"type": "object"}).to_string();
    for raw in [r#"{"a":1,"a":2}"#, r#"{"a":"\udfff"}"#, "{", "\u{1}"] {
        let faults = Schema::compile(&text).check_arguments("t", || &text, raw.as_bytes()).unwrap_err();
        assert!(faults.malformed() && faults.faults().is_empty(), "{faults}");
        assert!(
            faults.to_string().starts_with("`t` was not called: its arguments are not valid JSON: "),
            "{faults}"
        );
    }
}

#[test]
fn a_schema_that_cannot_be_used_says_why_and_nothing_is_run() {
    for (property, said) in [
        (json!({"$ref": "https://example.com/schema.json"}), "`$ref` leads nowhere"),
        (json!({"$ref": "file:///etc/passwd"}), "`$ref` leads nowhere"),
        (json!({"$ref": "#/$defs/Missing"}), "`$ref` leads nowhere"),
        (json!({"pattern": "(?=a)a"}), "(?=a)a"),
        (json!({"pattern": "(a)\\1"}), "it refers back at character 4, and patterns must run in linear time"),
        (json!({"pattern": "ä(?!b)"}), "it looks around at character 2"),
        (json!({"pattern": "["}), "it is not a regular expression: unclosed character class (character 1)"),
        (json!({"pattern": "^a{,3}$"}), "repetition quantifier expects a valid decimal (character 4)"),
        (json!({"pattern": "("}), "cannot be used"),
        (json!({"type": "strng"}), "strng"),
        (json!({"minimum": "1"}), "number"),
    ] {
        let schema = object(json!({"v": property}), json!([]));
        let why = usable_object_schema(&schema).unwrap_err();
        assert!(why.contains(said), "{property}: {why}");
        let text = schema.to_string();
        let refused = Schema::compile(&text).check_arguments("t", || &text, b"{}").unwrap_err().to_string();
        assert!(refused.starts_with("`t` was not called: its input schema cannot be used"), "{refused}");
    }
    assert!(usable_object_schema(&json!({"type": "array"})).is_err());
    assert!(usable_object_schema(&json!(true)).is_err());
}

#[test]
fn a_pattern_that_would_backtrack_for_ever_is_checked_at_once() {
    let schema = object(json!({"v": {"pattern": "^(a+)+$"}}), json!([]));
    assert!(told(&schema, &format!("{{\"v\":\"{}!\"}}", "a".repeat(50_000))).is_some());
}

#[test]
fn an_output_that_breaks_its_schema_is_told_to_its_author() {
    let text = object(json!({"result": {"type": "integer"}}), json!(["result"])).to_string();
    let schema = Schema::compile(&text);
    assert_eq!(schema.check_output(|| &text, br#"{"result":1}"#), Ok(()));
    assert_eq!(
        schema.check_output(|| &text, br#"{"result":"1"}"#).unwrap_err(),
        "it does not fit the output schema\n- /result: expected integer, got string \"1\""
    );
}

#[test]
fn a_schema_called_plain_always_compiles() {
    let plain = object(
        json!({
            "a": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": null, "title": "A"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/X"}, "maxItems": 3, "uniqueItems": true},
            "c": {"type": "string", "format": "date-time", "minLength": 1, "enum": ["x"], "description": "d"},
        }),
        json!(["a"]),
    );
    let mut plain = plain;
    plain["$defs"] = json!({"X": {"type": "object", "additionalProperties": {"type": "string"}}});
    assert!(plain::surely_compiles(&plain));
    assert_eq!(compile(&plain).err(), None);
    for doubtful in
        [json!({"pattern": "a"}), json!({"$ref": "#/$defs/Y"}), json!({"type": "x"}), json!({"x-y": 1})]
    {
        assert!(!plain::surely_compiles(&object(json!({"v": doubtful}), json!([]))));
    }
}

/// A tree whose alternatives differ only in a tag, as a model would write an expression or a filter.
fn tree_schema() -> Value {
    let node = |op: &str| {
        json!({"type": "object", "required": ["op", "of"], "properties": {
            "of": {"anyOf": [{"$ref": "#/$defs/Not"}, {"$ref": "#/$defs/Also"}, {"type": "integer"}]},
            "op": {"const": op}}})
    };
    let mut schema = object(json!({"tree": {"$ref": "#/$defs/Not"}}), json!(["tree"]));
    schema["$defs"] = json!({"Not": node("not"), "Also": node("also")});
    schema
}

#[test]
fn the_faults_of_a_large_value_are_searched_for_and_not_all_collected() {
    let schema = object(
        json!({"names": {"type": "array", "items": {"type": "string"}},
            "mixed": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "array"}]}}}),
        json!([]),
    );
    let many = vec!["1"; 200_000].join(",");
    let said = told(&schema, &format!(r#"{{"names":["a",{many}]}}"#)).unwrap();
    assert!(said.contains("at least 20 problems"), "{said}");
    assert!(said.contains("- /names/1: expected string, got number 1\n"), "{said}");
    assert!(said.lines().count() == 21, "{said}");
    // One fault far back is found.
    let said = told(&schema, &format!(r#"{{"mixed":[{many},"x"]}}"#)).unwrap();
    assert!(said.contains("- /mixed/200000: expected integer or array, got \"x\""), "{said}");
    let unknown: Vec<String> = (0..50_000).map(|n| format!(r#""unknown{n}":1"#)).collect();
    let said = told(&schema, &format!("{{{}}}", unknown.join(","))).unwrap();
    assert!(said.contains("- /unknown0: unknown argument\n") && said.len() < 2000, "{said}");
    // A long text is one value, and explained as one.
    let said = told(&schema, &format!(r#"{{"names":"{}"}}"#, "x".repeat(1 << 20))).unwrap();
    assert!(said.contains("- /names: expected array, got string \"xxx") && said.len() < 300, "{said}");
}

#[test]
fn a_fault_deep_in_alternatives_costs_no_power_of_its_depth() {
    // The validator's own list of faults doubles with each level: at 50 it would never end.
    let nested = |depth: usize, leaf: &str| {
        format!(r#"{{"tree":{}{leaf}{}}}"#, r#"{"op":"not","of":"#.repeat(depth), "}".repeat(depth))
    };
    let schema = tree_schema();
    assert_eq!(told(&schema, &nested(50, "1")), None);
    for depth in [9, 25, 50] {
        let said = told(&schema, &nested(depth, "\"x\"")).unwrap();
        assert!(said.contains("at least 1 problem "), "{said}");
    }
    let said = told(&schema, &nested(10, "\"x\"")).unwrap();
    assert!(said.contains("/tree/of/of"), "{said}");
    let said = told(&schema, &nested(2, "\"x\"")).unwrap();
    assert!(said.contains("- /tree/of/of: expected object or integer, got \"x\""), "{said}");
}
