//! `axon-capture.json`: the raw exchanges of bittensor 10.5.0's dendrite (//Alice) and axon (//Bob),
//! recorded between the two, with hashes that Python computed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_adapters::bittensor::dendrite::body_hash;
use isthmus_adapters::bittensor::hotkey::Address;
use isthmus_adapters::bittensor::python::str_of;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use crate::server::BOB;

/// A request as the dendrite sent it.
struct Sent {
    case: String,
    headers: Vec<(String, String)>,
    body: Map<String, Value>,
}

fn capture() -> Value {
    serde_json::from_str(include_str!("axon-capture.json")).unwrap()
}

fn sent() -> Vec<Sent> {
    let capture = capture();
    let mut texts: Vec<(String, Vec<u8>)> = Vec::new();
    for read in capture["exchange"].as_array().unwrap().iter().filter(|read| read["dir"] == ">") {
        let case = read["case"].as_str().unwrap();
        let bytes = STANDARD.decode(read["b64"].as_str().unwrap()).unwrap();
        match texts.last_mut().filter(|(last, _)| last == case) {
            Some((_, text)) => text.extend(bytes),
            None => texts.push((case.to_owned(), bytes)),
        }
    }
    texts.into_iter().map(|(case, bytes)| read(case, &bytes)).collect()
}

fn read(case: String, bytes: &[u8]) -> Sent {
    let (head, body) = str::from_utf8(bytes).unwrap().split_once("\r\n\r\n").unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Sent { case, headers, body: serde_json::from_str(body).unwrap() }
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The class's `required_hash_fields`.
    fn hashed(&self) -> Vec<String> {
        let names: &[&str] = match self.header("name") {
            "HashedChat" => &["messages", "temperature", "seed", "flag"],
            "StreamChat" => &["messages"],
            _ => &[],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[test]
fn every_hash_vector_is_equal() {
    let capture = capture();
    let messages = sent().into_iter().find(|sent| sent.header("name") == "HashedChat").unwrap();
    let messages = messages.body["messages"].clone();
    let values = [json!(""), messages, json!(0.7), Value::Null, json!(true)];
    let vectors = capture["hash_vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), values.len());
    for (vector, value) in vectors.iter().zip(values) {
        let text = str_of(&value);
        assert_eq!(vector["str"], text);
        let digest = Sha3_256::digest(text.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(vector["sha3_256"], hex);
    }
    assert_eq!(capture["body_hash_Echo"], body_hash(&Map::new(), &[]).unwrap());
}

#[test]
fn every_body_hashes_as_its_header_says() {
    let capture = capture();
    let sent = sent();
    assert_eq!(sent.len(), 12);
    for sent in sent {
        let hash = body_hash(&sent.body, &sent.hashed()).unwrap();
        let tampered = sent.case.contains("tampered");
        assert_eq!(hash == sent.header("computed_body_hash"), !tampered, "{}", sent.case);
        if sent.header("name") == "HashedChat" {
            assert_eq!(hash == capture["body_hash_HashedChat"], !tampered, "{}", sent.case);
        }
    }
}

#[test]
fn every_signature_of_the_original_is_recognised() {
    for sent in sent() {
        let header = |name: &str| sent.header(&format!("bt_header_dendrite_{name}"));
        let message = format!(
            "{}.{}.{BOB}.{}.{}",
            header("nonce"),
            header("hotkey"),
            header("uuid"),
            sent.header("computed_body_hash")
        );
        let hotkey = Address::parse(header("hotkey")).unwrap();
        let holds = hotkey.signed(&message, header("signature"));
        assert_eq!(holds, !sent.case.contains("bad signature"), "{}", sent.case);
    }
}
