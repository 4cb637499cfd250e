//! The calling side of Bittensor's first protocol: requests that an axon accepts.
//!
//! Facts from bittensor 10.5.0 (`core/synapse.py`, `core/axon.py`):
//!
//! * The signature is over `{nonce}.{dendrite hotkey}.{axon hotkey}.{uuid}.{body hash}`. The axon puts
//!   in its *own* hotkey, so that a call for another one does not hold.
//! * The nonce is the time in nanoseconds. The first one of a uuid must be younger than the call's
//!   timeout and four seconds; each later one must be greater than the one before.
//! * The body hash covers only the fields that the subnet's class names in `required_hash_fields`.
//!   All others can be altered on the way without anyone noticing.
//! * Of every field without a default, a header holds an empty value of its type; without it the axon
//!   answers 500.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_inference::failure::{Failure, Kind};
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use super::hotkey::{Address, Hotkey};
use super::python::str_of;
use super::{Clock, hex, random_uuid};

/// A caller of one axon.
#[derive(Debug)]
pub struct Dendrite {
    hotkey: Hotkey,
    axon: Address,
    clock: Clock,
    /// Senders that wait for their next call. An axon remembers every uuid for ever, so they are used
    /// again; but each only by one call at a time, since its nonces must arrive in order.
    idle: Mutex<Vec<Sender>>,
}

/// What an axon takes for one sender: a uuid with rising nonces.
#[derive(Debug)]
pub struct Sender {
    uuid: String,
    last_nonce: u64,
}

/// What is called.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The synapse's class, which is the path too.
    pub synapse: &'a str,
    /// How long the caller will wait.
    pub timeout: Duration,
    /// The synapse's fields.
    pub fields: &'a Map<String, Value>,
    /// Those that the class hashes, in the class's order.
    pub hashed: &'a [String],
    /// Those that have no default in the class.
    pub required: &'a [String],
}

/// A call as it is sent.
#[derive(Debug)]
pub struct Signed {
    /// What the axon checks before it reads the body.
    pub headers: HeaderMap,
    /// The synapse as JSON: its fields, and who calls whom, which some miners read from there.
    pub body: Bytes,
}

/// Members of every synapse, which no subnet's field can be named like.
pub const RESERVED: [&str; 7] =
    ["name", "timeout", "total_size", "header_size", "dendrite", "axon", "computed_body_hash"];
/// The release whose rules these are: 10.5.0.
const VERSION: u64 = 10_005_000;

// === impl Dendrite ===

impl Dendrite {
    /// A caller with this key of the axon with that one.
    pub fn new(hotkey: Hotkey, axon: Address, clock: Clock) -> Self {
        Self { hotkey, axon, clock, idle: Mutex::default() }
    }

    /// A sender that no other call uses at the moment.
    pub fn sender(&self) -> Result<Sender, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(Sender::new, Ok)
    }

    /// Takes a sender back once the axon has answered. One whose call was given up may still be on its
    /// way, and is not given back.
    pub fn give_back(&self, sender: Sender) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    }

    /// A call that is made now.
    pub fn sign(&self, call: &Call<'_>, sender: &mut Sender) -> Result<Signed, Failure> {
        let nonce = sender.next_nonce((self.clock)());
        let hash = body_hash(call.fields, call.hashed)?;
        let (me, axon, uuid) = (self.hotkey.address().as_str(), self.axon.as_str(), &sender.uuid);
        let signature = self.hotkey.sign(&format!("{nonce}.{me}.{axon}.{uuid}.{hash}"));
        let timeout = call.timeout.as_secs_f64();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("name", call.synapse),
            ("timeout", &format!("{timeout:?}")),
            ("bt_header_axon_hotkey", axon),
            ("bt_header_dendrite_version", &VERSION.to_string()),
            ("bt_header_dendrite_nonce", &nonce.to_string()),
            ("bt_header_dendrite_uuid", uuid),
            ("bt_header_dendrite_hotkey", me),
            ("bt_header_dendrite_signature", &signature),
            ("computed_body_hash", &hash),
        ] {
            headers.insert(HeaderName::from_static(name), header(value)?);
        }
        for field in call.required {
            let name = format!("bt_header_input_obj_{field}");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(unfit)?;
            headers.insert(name, header(&STANDARD.encode(empty_like(call.fields.get(field))))?);
        }
        let mut body = json!({
            "name": call.synapse,
            "timeout": timeout,
            "dendrite": { "version": VERSION, "nonce": nonce, "uuid": uuid, "hotkey": me,
                          "signature": signature },
            "axon": { "hotkey": axon },
        });
        for (name, value) in call.fields {
            body[name] = value.clone();
        }
        Ok(Signed { headers, body: body.to_string().into() })
    }
}

// === impl Sender ===

impl Sender {
    fn new() -> Result<Self, Failure> {
        let uuid = random_uuid().map_err(|error| {
            Failure::new(Kind::Internal, "the system gives no random numbers").with_detail(error)
        })?;
        Ok(Self { uuid, last_nonce: 0 })
    }

    /// The time in nanoseconds, or just above the last nonce if the clock stands or was set back.
    fn next_nonce(&mut self, now: SystemTime) -> u64 {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.last_nonce = now.max(self.last_nonce.saturating_add(1));
        self.last_nonce
    }
}

/// SHA3-256 over the hex digests of Python's text of each hashed field.
pub fn body_hash(fields: &Map<String, Value>, hashed: &[String]) -> Result<String, Failure> {
    let mut digests = String::new();
    for name in hashed {
        let value = fields.get(name).ok_or_else(|| {
            Failure::new(Kind::Internal, format!("the hashed field `{name}` has no value"))
        })?;
        digests.push_str(&sha3(&str_of(value)));
    }
    Ok(sha3(&digests))
}

fn sha3(text: &str) -> String {
    hex(&Sha3_256::digest(text.as_bytes()))
}

/// An empty value of the same type, as JSON.
fn empty_like(value: Option<&Value>) -> String {
    match value {
        Some(Value::Bool(_)) => json!(false),
        Some(Value::Number(number)) if number.is_f64() => json!(0.0),
        Some(Value::Number(_)) => json!(0),
        Some(Value::String(_)) => json!(""),
        Some(Value::Array(_)) => json!([]),
        Some(Value::Object(_)) => json!({}),
        Some(Value::Null) | None => Value::Null,
    }
    .to_string()
}

fn header(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(unfit)
}

fn unfit(error: impl ToString) -> Failure {
    Failure::new(Kind::Internal, "the call does not fit into headers").with_detail(error)
}

#[cfg(test)]
mod tests {
    use super::super::hotkey::tests::{ALICE, ALICE_SEED, BOB};
    use super::*;

    const FIXED: Clock = || UNIX_EPOCH + Duration::from_nanos(1_795_383_648_974_452_132);
    /// SHA3-256 of nothing.
    const EMPTY: &str = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a";

    fn dendrite() -> Dendrite {
        let hotkey = Hotkey::from_seed(&ALICE_SEED.into()).unwrap();
        Dendrite::new(hotkey, Address::parse(BOB).unwrap(), FIXED)
    }

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("an object") };
        fields
    }

    #[test]
    fn a_call_carries_what_an_axon_checks() {
        let fields = fields(json!({ "input": "hello", "level": 2, "list": [1] }));
        let names = ["input", "level", "list"].map(str::to_owned);
        let call = Call {
            synapse: "Echo",
            timeout: Duration::from_secs(5),
            fields: &fields,
            hashed: &[],
            required: &names,
        };
        let dendrite = dendrite();
        let Signed { headers, body } =
            dendrite.sign(&call, &mut dendrite.sender().unwrap()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!((text("name"), text("timeout")), ("Echo", "5.0"));
        assert_eq!(text("computed_body_hash"), EMPTY);
        assert_eq!(text("bt_header_input_obj_input"), "IiI=");
        assert_eq!(text("bt_header_input_obj_level"), "MA==");
        assert_eq!(text("bt_header_input_obj_list"), "W10=");
        let uuid = text("bt_header_dendrite_uuid");
        let message = format!("1795383648974452132.{ALICE}.{BOB}.{uuid}.{EMPTY}");
        assert_eq!(text("bt_header_dendrite_nonce"), "1795383648974452132");
        let signature = text("bt_header_dendrite_signature");
        assert!(Address::parse(ALICE).unwrap().signed(&message, signature));
        assert_eq!((&body["input"], &body["timeout"]), (&json!("hello"), &json!(5.0)));
        assert_eq!(
            (&body["dendrite"]["hotkey"], &body["axon"]["hotkey"]),
            (&ALICE.into(), &BOB.into())
        );
    }

    #[test]
    fn nonces_rise_though_the_clock_stands() {
        let mut sender = Sender::new().unwrap();
        let now = UNIX_EPOCH + Duration::from_nanos(5);
        let nonces = [now, now, UNIX_EPOCH].map(|now| sender.next_nonce(now));
        assert_eq!(nonces, [5, 6, 7]);
    }

    #[test]
    fn a_sender_serves_one_call_at_a_time_and_then_the_next() {
        let dendrite = dendrite();
        let (one, other) = (dendrite.sender().unwrap(), dendrite.sender().unwrap());
        assert_ne!(one.uuid, other.uuid);
        let uuid = one.uuid.clone();
        dendrite.give_back(one);
        assert_eq!(dendrite.sender().unwrap().uuid, uuid);
    }

    #[test]
    fn a_hashed_field_without_a_value_is_no_empty_one() {
        let hashed = ["gone".to_owned()];
        assert!(body_hash(&Map::new(), &hashed).is_err());
        let with_null = body_hash(&fields(json!({ "gone": null })), &hashed).unwrap();
        assert_ne!(with_null, EMPTY);
    }
}
