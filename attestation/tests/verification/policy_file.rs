//! The policy file: the reader against the schema, on right and wrong examples and on many made of them.

use attestation::{Binding, MAX_POLICY_LEN, Policy, PolicyError, Trust};
use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const SCHEMA: &str = include_str!("../../policy.schema.json");

fn hex_of(byte: &str, count: usize) -> String {
    byte.repeat(count)
}

/// The schema, compiled.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("policy.schema.json", serde_json::from_str(SCHEMA).unwrap())
            .unwrap();
        let index = compiler.compile("policy.schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn accepts(&self, policy: &Value) -> bool {
        self.0.validate(policy, self.1).is_ok()
    }
}

fn reader_accepts(policy: &Value) -> bool {
    Policy::read(&policy.to_string()).is_ok()
}

/// Values for each key: right ones, then wrong ones.
fn candidates(key: &str) -> (Vec<Value>, Vec<Value>) {
    let pcr = hex_of("aB", 48);
    let pcrs_right = vec![
        json!({"0": pcr}),
        json!({"0": [pcr], "31": pcr, "16": [pcr, pcr]}),
        json!({"9": vec![&pcr; 64]}),
    ];
    let pcrs_wrong = vec![
        json!({}),
        json!([]),
        json!(pcr),
        json!({"0": []}),
        json!({"0": null}),
        json!({"0": {}}),
        json!({"0": 0}),
        json!({"0": [null]}),
        json!({"0": [[pcr]]}),
        json!({"0": hex_of("ab", 47)}),
        json!({"0": hex_of("ab", 49)}),
        json!({"0": hex_of("ag", 48)}),
        json!({"0": format!("{pcr} ")}),
        json!({"0": format!("{pcr}\n")}),
        json!({"0": vec![&pcr; 65]}),
        json!({"32": pcr}),
        json!({"00": pcr}),
        json!({"+1": pcr}),
        json!({"-1": pcr}),
        json!({"256": pcr}),
        json!({"": pcr}),
        json!({"1\n": pcr}),
        json!({"٣": pcr}),
    ];
    let named = |name: &str, pcrs: &Value| json!({ name: pcrs });
    match key {
        "pcr" => (pcrs_right, pcrs_wrong),
        "release" => {
            let many = |count| (0..count).map(|at| (at.to_string(), pcrs_right[0].clone()));
            let mut right: Vec<_> = pcrs_right
                .iter()
                .map(|pcrs| named("1.4.0-rc_1+x", pcrs))
                .collect();
            right.push(named(&"n".repeat(64), &pcrs_right[0]));
            right.push(Value::Object(many(64).collect()));
            let mut wrong: Vec<_> = pcrs_wrong.iter().map(|pcrs| named("a", pcrs)).collect();
            for name in ["", "a b", "é", "a\n", "a/b", &"n".repeat(65)] {
                wrong.push(named(name, &pcrs_right[0]));
            }
            wrong.extend([
                json!({}),
                json!([]),
                json!("a"),
                Value::Object(many(65).collect()),
            ]);
            (right, wrong)
        }
        "trust" => (
            vec![
                json!("aws-nitro"),
                json!(["development"]),
                json!(["custom", "aws-nitro"]),
            ],
            vec![
                json!("aws"),
                json!(""),
                json!([]),
                json!(["AWS-NITRO"]),
                json!({}),
                json!(true),
                json!([null]),
            ],
        ),
        "root" => {
            let sha256 = hex_of("aB", 32);
            (
                vec![json!(sha256), json!([sha256, sha256]), json!(vec![&sha256; 64])],
                vec![
                    json!(hex_of("ab", 31)),
                    json!(pcr),
                    json!(""),
                    json!([]),
                    json!({}),
                    json!([null]),
                    json!(vec![&sha256; 65]),
                ],
            )
        }
        "nonce" => (bytes_right(), bytes_wrong()),
        "user_data" | "public_key" => {
            let mut right = bytes_right();
            right.extend([json!({"sha256": hex_of("0F", 32)}), json!({"sha384": pcr})]);
            let mut wrong = bytes_wrong();
            wrong.retain(|value| !value.is_object());
            wrong.extend([
                json!({}),
                json!({"sha256": pcr}),
                json!({"sha384": hex_of("0f", 32)}),
                json!({"sha512": pcr}),
                json!({"sha256": hex_of("0f", 32), "sha384": pcr}),
                json!({"sha256": null}),
                json!({"sha256": [hex_of("0f", 32)]}),
            ]);
            (right, wrong)
        }
        "max_age" => (
            vec![
                json!(0),
                json!(300),
                json!(4_294_967_295_u32),
                json!(60.0),
                json!(-0.0),
            ],
            vec![
                json!(-1),
                json!(0.5),
                json!(4_294_967_296_u64),
                json!(1e30),
                json!("300"),
                json!([300]),
                json!(true),
            ],
        ),
        "allow_debug" => (
            vec![json!(true), json!(false)],
            vec![json!("true"), json!(1), json!([true])],
        ),
        other => panic!("{other}"),
    }
}

fn bytes_right() -> Vec<Value> {
    vec![json!(""), json!("00fF"), json!(hex_of("ab", 1024))]
}

fn bytes_wrong() -> Vec<Value> {
    let long = hex_of("ab", 1025);
    vec![
        json!("0"),
        json!("0g"),
        json!("0x00"),
        json!(" 00"),
        json!("00\n"),
        json!(long),
        json!(["00"]),
        json!({}),
        json!(7),
    ]
}

const KEYS: [&str; 9] = [
    "pcr",
    "release",
    "trust",
    "root",
    "nonce",
    "user_data",
    "public_key",
    "max_age",
    "allow_debug",
];

#[test]
fn schema_and_reader_agree_on_every_right_and_wrong_value() {
    let schema = Schema::new();
    let check = |policy: Value, right: bool| {
        assert_eq!(schema.accepts(&policy), right, "the schema on {policy}");
        assert_eq!(reader_accepts(&policy), right, "the reader on {policy}");
    };
    check(json!({}), true);
    for key in KEYS {
        let (right, wrong) = candidates(key);
        right
            .into_iter()
            .for_each(|value| check(json!({ key: value }), true));
        wrong
            .into_iter()
            .for_each(|value| check(json!({ key: value }), false));
        check(json!({ key: null }), false);
        check(json!({ key.to_uppercase(): null }), false);
    }
    check(json!({"pcrs": {}}), false);
}

#[test]
fn the_schema_has_the_keys_of_the_reader_and_no_others() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    keys.sort_unstable();
    let mut own = KEYS;
    own.sort_unstable();
    assert_eq!(keys, own);
}

fn any_policy() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(&KEYS[..]);
    let value = (key, any::<prop::sample::Index>(), 0_u32..12).prop_map(|(key, index, odds)| {
        let (right, wrong) = candidates(key);
        let value = if odds == 0 {
            index.get(&wrong)
        } else {
            index.get(&right)
        };
        (key.to_owned(), value.clone())
    });
    prop::collection::vec(value, 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

proptest! {
    #[test]
    fn schema_and_reader_agree_on_policies_made_of_such_values(policy in any_policy()) {
        prop_assert_eq!(Schema::new().accepts(&policy), reader_accepts(&policy));
        // TOML, but for null, which it does not have, says the same.
        if let Ok(toml) = toml::to_string(&policy) {
            prop_assert_eq!(Policy::read(&toml).ok(), Policy::read(&policy.to_string()).ok(), "{}", toml);
        }
    }

    #[test]
    fn hostile_text_never_panics(text in r#"([a-z_]{1,8}|[0-9]{1,3}|"|=|\[|\]|\{|\}|:|\n| |,){0,40}"#) {
        let _ = Policy::read(&text);
    }
}

#[test]
fn a_policy_reads_as_it_is_written() {
    let (a, b) = (hex_of("aa", 48), hex_of("bb", 48));
    let text = format!(
        "max_age = 60\nnonce = \"00ff\"\nallow_debug = true\ntrust = [\"aws-nitro\", \"custom\"]\n\
         user_data = {{ sha384 = \"{a}\" }}\npublic_key = \"01\"\n\
         [pcr]\n0 = [\"{a}\", \"{b}\"]\n\"16\" = \"{b}\"\n\
         [release.\"1.4.0\"]\n8 = \"{a}\"\n[release.next]\n8 = \"{b}\"\n1 = \"{b}\"\n"
    );
    let release =
        |name| attestation::Release::new(name).pcr(8, if name == "next" { [0xbb; 48] } else { [0xaa; 48] });
    let expected = Policy::new()
        .pcr(0, [0xaa; 48])
        .pcr(0, [0xbb; 48])
        .pcr(16, [0xbb; 48])
        .release(release("1.4.0"))
        .release(release("next").pcr(1, [0xbb; 48]))
        .trust([Trust::AwsNitro, Trust::Custom])
        .nonce([0, 0xff])
        .user_data(Binding::Sha384([0xaa; 48]))
        .public_key([1])
        .max_age(Duration::from_secs(60))
        .allow_debug(true);
    assert_eq!(Policy::read(&text).unwrap(), expected);
}

#[test]
fn a_key_that_stands_twice_is_refused_in_json_too() {
    let pcr = hex_of("aa", 48);
    for text in [
        r#"{"nonce": "00", "nonce": "01"}"#.to_owned(),
        format!(r#"{{"pcr": {{"0": "{pcr}", "0": "{pcr}"}}}}"#),
        format!(r#"{{"release": {{"a": {{"0": "{pcr}"}}, "a": {{"1": "{pcr}"}}}}}}"#),
        format!(r#"{{"user_data": {{"sha384": "{pcr}", "sha384": "{pcr}"}}}}"#),
    ] {
        assert!(matches!(Policy::read(&text), Err(PolicyError::Json(_))), "{text}");
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let long = format!("# {}", "x".repeat(MAX_POLICY_LEN));
    assert!(matches!(Policy::read(&long), Err(PolicyError::TooLong(_))));
    assert_eq!(Policy::read(&long[..MAX_POLICY_LEN]).unwrap(), Policy::new());
    for deep in [
        format!("pcr = {}", "[".repeat(100_000)),
        format!("{{\"pcr\": {}", "[".repeat(100_000)),
    ] {
        assert!(Policy::read(&deep).is_err());
    }
}

#[test]
fn a_refusal_says_where_and_what_would_be_right() {
    let error = Policy::read("[pcr]\n0 = \"aa\"\n").unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("96 hex digits (48 bytes)"),
        "{error}"
    );
    let error = Policy::read("[pcr]\n32 = \"aa\"\n").unwrap_err().to_string();
    assert!(error.contains("a PCR index, 0 to 31"), "{error}");
    let error = Policy::read("pcrs = {}").unwrap_err().to_string();
    assert!(error.contains("unknown field `pcrs`"), "{error}");
}
