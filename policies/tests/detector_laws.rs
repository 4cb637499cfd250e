//! The laws of the detector: nothing hides by how it is written or where it stands, nothing is made
//! up by it, and no text is too much.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use isthmus_policies::class::DataClass;
use isthmus_policies::detector::{Detector, Findings, KINDS, Patterns};
use proptest::prelude::*;
use serde_json::json;

const CARD: &str = "4111111111111111";

fn scan(body: &str) -> Findings {
    Patterns.scan(body.as_bytes())
}

fn body(content: &str) -> String {
    json!({ "messages": [{ "role": "user", "content": content }] }).to_string()
}

fn only_unseen() -> Findings {
    let mut findings = Findings::default();
    findings.unseen = 1;
    findings
}

fn kinds(text: &str) -> Vec<&'static str> {
    scan(&body(text)).found().map(|(kind, _)| kind.name).collect()
}

/// Base64, written out here, so that the decoder is not tested by itself.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= three.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}

#[test]
fn every_kind_has_its_own_name_and_a_class_that_is_not_public() {
    let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
    assert!(
        KINDS.iter().all(|kind| kind.class > DataClass::Confidential && !kind.about.is_empty())
    );
}

#[test]
fn findings_make_the_class() {
    let found = scan(&body("card 4111 1111 1111 1111, write to anna@example.com"));
    assert_eq!(found.class().unwrap().to_string(), "pii,pci");
    assert_eq!((found.of("payment_card"), found.of("email"), found.of("iban")), (1, 1, 0));
    assert_eq!(scan(&body("nothing")).class(), None);
}

#[test]
fn a_finding_split_by_escapes_is_found() {
    for written in [
        r"4111\u00201111\u00201111\u00201111",
        r"\u0034111 1111\u00a01111\u20111111",
        r"first line\n4111111111111111\nlast line",
        r#"{\"card\":\"4111\\u00201111 1111 1111\"}"#,
        r"4111\u200b1111\ufeff1111\u00ad1111",
    ] {
        let found = scan(&format!(r#"{{"messages":[{{"role":"tool","content":"{written}"}}]}}"#));
        assert_eq!(found.of("payment_card"), 1, "{written}");
    }
}

#[test]
fn an_escape_makes_nothing_up() {
    for written in [r"\u4111111111111111", r"4111\\1111\\1111\\1111", r"a4111111111111111"] {
        let found = scan(&format!(r#"{{"content":"{written}"}}"#));
        assert_eq!(found.of("payment_card"), 0, "{written}");
    }
}

#[test]
fn numbers_and_fields_outside_of_prompts_are_looked_at_too() {
    let body =
        json!({ "input": { "pan": 4_111_111_111_111_111_u64, "api_key": "Zq7rT2mVx9Lp4sWd" } });
    let found = scan(&body.to_string());
    assert_eq!((found.of("payment_card"), found.of("password")), (1, 1));
}

#[test]
fn pictures_are_unseen_and_texts_in_base64_are_read() {
    let noise: Vec<u8> = (0..3000_u32).map(|n| ((n * n * 31) >> 3) as u8).collect();
    let picture = base64(&[b"\x89PNG\r\n\x1a\n", &noise[..]].concat());
    let url = |mime: &str, data: &str| body(&format!("data:{mime};base64,{data}"));
    assert_eq!(scan(&url("image/png", &picture)), only_unseen());
    // As PHP writes it, and with line breaks as in mail.
    let slashed = url("image/png", &picture).replace('/', "\\/");
    assert_eq!(scan(&slashed), only_unseen());
    let lines: Vec<_> = picture.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
    assert_eq!(scan(&body(&lines.join("\n"))), only_unseen());
    let pdf = base64(&[b"%PDF-1.7 ", &noise[..]].concat());
    assert_eq!(scan(&json!({ "source": { "data": pdf } }).to_string()).unseen, 1);

    let text = base64(b"name,card\nAnna,4111 1111 1111 1111\n");
    for document in [url("text/csv", &text), json!({ "data": text }).to_string()] {
        let found = scan(&document);
        assert_eq!((found.of("payment_card"), found.unseen), (1, 0), "{document}");
    }
}

#[test]
fn what_is_fetched_from_elsewhere_is_unseen_and_sealed_reasoning_is_not() {
    let part = json!({ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } });
    assert_eq!(scan(&json!({ "content": [part] }).to_string()).unseen, 1);
    let part =
        json!({ "type": "image", "source": { "type": "url", "url": "https://example.com/a" } });
    assert_eq!(scan(&json!({ "content": [part] }).to_string()).unseen, 1);
    let sealed: Vec<u8> = (0..900_u32).map(|n| ((n * n * 31) >> 3) as u8 | 0x80).collect();
    let block = json!({ "type": "thinking", "thinking": "hm", "signature": base64(&sealed) });
    assert_eq!(scan(&block.to_string()), Findings::default());
    let block = json!({ "type": "unknown", "payload": base64(&sealed) });
    assert_eq!(scan(&block.to_string()).unseen, 1);
}

#[test]
fn a_finding_is_counted_once_wherever_the_windows_meet() {
    for before in (0..9000).step_by(7) {
        let text =
            format!("{} card 4111 1111 1111 1111, mail anna@example.com, end", "x ".repeat(before));
        let found = scan(&body(&text));
        assert_eq!((found.of("payment_card"), found.of("email")), (1, 1), "{before}");
    }
}

#[test]
fn check_digits_are_checked() {
    for (text, kind) in [
        ("Steuer-ID 86095742719", "de_steuer_id"),
        ("NIR 2 55 08 14 168 025 38", "fr_nir"),
        ("DNI 12345678Z", "es_dni"),
        ("CF RSSMRA85T10A562S", "it_codice_fiscale"),
        ("BSN 111222333", "nl_bsn"),
        ("PESEL 44051401359", "pl_pesel"),
        ("CPF 529.982.247-25", "br_cpf"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "iban"),
        ("Aadhaar 2341 2341 2346", "in_aadhaar"),
    ] {
        assert_eq!(kinds(text), [kind], "{text}");
        let last = text.rfind(|byte: char| byte.is_ascii_digit()).unwrap();
        let other = if &text[last..=last] == "9" { "8" } else { "9" };
        let broken = format!("{}{other}{}", &text[..last], &text[last + 1..]);
        assert!(!kinds(&broken).contains(&kind), "{broken}");
    }
}

#[test]
fn hostile_texts_cost_linear_time() {
    let cost = |text: &str, times: usize| {
        let body = body(&text.repeat(times / text.len()));
        let best = |_| {
            let began = std::time::Instant::now();
            std::hint::black_box(scan(&body));
            began.elapsed()
        };
        (0..5).map(best).min().unwrap()
    };
    for text in [
        "1",
        "1 ",
        "1-",
        "@",
        "a@",
        ":",
        "\\",
        "\"",
        "a",
        "A1",
        "GB82 ",
        "-----BEGIN ",
        "eyJ.",
        "/",
    ] {
        let (one, eight) = (cost(text, 100_000), cost(text, 800_000));
        assert!(
            eight < one * 8 * 4 + std::time::Duration::from_millis(5),
            "{text}: {one:?}, {eight:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_card_is_found_with_any_separators(
        prefix in "(4|5[1-5]|222[1-9])", digits in "[0-9]{14}", separator in "( |-|\\.|\u{a0}|\u{2009}|\u{2011}| - |\n|)",
        before in "([a-z,:\" ]{0,20}[,:\" ])?", after in "([,:;\" ][a-z,:\" ]{0,20})?",
    ) {
        let mut number: String = format!("{prefix}{digits}").chars().take(15).collect();
        let sum: u32 = number.bytes().rev().enumerate().map(|(place, byte)| {
            let digit = u32::from(byte - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        }).sum();
        number.push_str(&((10 - sum % 10) % 10).to_string());
        let groups: Vec<_> = (0..4).map(|group| &number[group * 4..group * 4 + 4]).collect();
        let text = format!("{before}{}{after}", groups.join(&separator));
        prop_assert_eq!(scan(&body(&text)).of("payment_card"), 1, "{}", text);
    }

    #[test]
    fn how_json_is_written_changes_nothing(text in "\\PC{0,60}", card in any::<bool>()) {
        let text = if card { format!("{text} {CARD} {text}") } else { text };
        let plain = body(&text);
        let escaped: String = plain.chars().map(|character| match character {
            ' '..='~' => character.to_string(),
            _ => character.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |all, unit| format!("{all}\\u{unit:04x}")),
        }).collect();
        prop_assert_eq!(scan(&plain).of("payment_card"), scan(&escaped).of("payment_card"));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        Patterns.scan(&bytes);
    }

    #[test]
    fn no_text_of_its_own_marks_makes_it_panic(text in "[0-9A-Fa-f@:=+/ .\\\\u\"\n-]{0,400}") {
        Patterns.scan(text.as_bytes());
        Patterns.scan(body(&text).as_bytes());
    }
}
