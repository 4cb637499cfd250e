//! Epistula, version 2: subnets that speak OpenAI's language want its requests signed.
//!
//! Facts from manifold-inc/targon (`old/targon/epistula.py`, `miner/cmd/miner/miner.go`). The signature
//! is over `{sha256 of the body}.{uuid}.{milliseconds}.{hotkey of the receiver, or nothing}`, and holds
//! for eight seconds. For a named receiver three more are sent, over the ten-second interval that the
//! time falls into and one millisecond to each side; Python writes those times as floats.

use std::time::UNIX_EPOCH;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::secret::Secret;
use sha2::{Digest, Sha256};

use super::hotkey::{Address, Hotkey};
use super::{Clock, hex, random_uuid};
use crate::auth::{Authorise, Outgoing};

/// Signs requests of one account.
#[derive(Debug)]
pub struct Epistula {
    hotkey: Hotkey,
    signed_for: Option<Address>,
    clock: Clock,
}

/// The interval of the secret signatures, in milliseconds.
const INTERVAL: u64 = 10_000;

impl Epistula {
    /// A signer with this key, for the receiver with that address or for anyone.
    pub fn new(hotkey: Hotkey, signed_for: Option<Address>, clock: Clock) -> Self {
        Self { hotkey, signed_for, clock }
    }

    /// The headers of a request with this body that is sent now.
    pub fn headers(&self, body: &[u8]) -> Result<HeaderMap, Failure> {
        let uuid = random_uuid().map_err(|error| {
            Failure::new(Kind::Internal, "the system gives no random numbers").with_detail(error)
        })?;
        let since = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let receiver = self.signed_for.as_ref().map_or("", Address::as_str);
        let hash = hex(&Sha256::digest(body));
        let signature = self.hotkey.sign(&format!("{hash}.{uuid}.{now}.{receiver}"));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("epistula-version", "2"),
            ("epistula-timestamp", &now.to_string()),
            ("epistula-uuid", &uuid),
            ("epistula-signed-by", self.hotkey.address().as_str()),
            ("epistula-request-signature", &signature),
        ] {
            headers.insert(HeaderName::from_static(name), value_of(value)?);
        }
        if let Some(receiver) = &self.signed_for {
            let name = HeaderName::from_static("epistula-signed-for");
            headers.insert(name, value_of(receiver.as_str())?);
            for (name, message) in secret_messages(now, receiver) {
                let name = HeaderName::from_static(name);
                headers.insert(name, value_of(&self.hotkey.sign(&message))?);
            }
        }
        Ok(headers)
    }
}

impl Authorise for Epistula {
    fn authorise<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        ready(self.headers(&request.body.whole()).map(|signed| request.headers.extend(signed)))
            .boxed()
    }

    /// None: the seed never leaves, and a signature is of no use once it was seen.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// What the three secret signatures are over, by the headers that hold them.
fn secret_messages(now: u64, receiver: &Address) -> [(&'static str, String); 3] {
    let interval = now.div_ceil(INTERVAL) * INTERVAL;
    [
        ("epistula-secret-signature-0", interval - 1),
        ("epistula-secret-signature-1", interval),
        ("epistula-secret-signature-2", interval + 1),
    ]
    .map(|(name, time)| (name, format!("{time}.0.{receiver}")))
}

fn value_of(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|error| {
        Failure::new(Kind::Internal, "a signature does not fit into a header").with_detail(error)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::hotkey::tests::{ALICE, ALICE_SEED, BOB};
    use super::*;

    const NOW: Clock = || UNIX_EPOCH + Duration::from_millis(1_700_000_001_234);

    fn headers(signed_for: Option<&str>) -> HeaderMap {
        let hotkey = Hotkey::from_seed(&ALICE_SEED.into()).unwrap();
        let signed_for = signed_for.map(|text| Address::parse(text).unwrap());
        Epistula::new(hotkey, signed_for, NOW).headers(b"{}").unwrap()
    }

    fn signed(headers: &HeaderMap, name: &str, message: &str) -> bool {
        Address::parse(ALICE).unwrap().signed(message, headers[name].to_str().unwrap())
    }

    #[test]
    fn the_body_the_time_and_the_receiver_are_signed() {
        const HASH: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        for receiver in [None, Some(BOB)] {
            let headers = headers(receiver);
            let uuid = headers["epistula-uuid"].to_str().unwrap();
            let message = format!("{HASH}.{uuid}.1700000001234.{}", receiver.unwrap_or_default());
            assert!(signed(&headers, "epistula-request-signature", &message));
            assert_eq!(headers["epistula-version"], "2");
            assert_eq!(headers["epistula-timestamp"], "1700000001234");
            assert_eq!(headers["epistula-signed-by"], ALICE);
            assert_eq!(headers.get("epistula-signed-for").map(|it| it.to_str().unwrap()), receiver);
        }
    }

    #[test]
    fn a_named_receiver_gets_signatures_over_the_interval() {
        let headers = headers(Some(BOB));
        for (at, time) in
            ["1700000009999.0", "1700000010000.0", "1700000010001.0"].into_iter().enumerate()
        {
            let name = format!("epistula-secret-signature-{at}");
            assert!(signed(&headers, &name, &format!("{time}.{BOB}")), "{name}");
        }
        assert!(!self::headers(None).contains_key("epistula-secret-signature-0"));
    }
}
