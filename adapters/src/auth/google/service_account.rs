//! A service account's key: it signs a claim, and the token endpoint gives a token for it
//! (RFC 7523; "Using OAuth 2.0 for Server to Server Applications" in Google's documentation).

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isthmus_inference::secret::Secret;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use crate::auth::fetch::Question;
use crate::auth::google::{SCOPE, TOKEN_ENDPOINT};
use crate::auth::oauth::Granted;
use crate::auth::refreshing::{Fresh, Unobtained};

/// A file of type `service_account`.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    client_email: String,
    /// PEM, PKCS #8.
    private_key: Secret,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

/// How long a claim holds, in seconds: the longest that Google takes.
const HOLDS: u64 = 3600;

impl ServiceAccount {
    pub(super) async fn token(&self, now: SystemTime) -> Result<Fresh<Secret>, Unobtained> {
        let url = self.token_uri.as_deref().unwrap_or(TOKEN_ENDPOINT);
        let assertion = Secret::from(self.assertion(url, now)?);
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose()),
        ];
        let reply = Question::form(url, &form).ask().await?;
        Granted::read(&reply.granted(&[&assertion])?, now)
    }

    /// The signed claim: a JSON web token, RS256.
    fn assertion(&self, audience: &str, now: SystemTime) -> Result<String, Unobtained> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.private_key_id {
            header["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": audience,
            "iat": now,
            "exp": now + HOLDS,
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())?);
        Ok(format!("{signed}.{signature}"))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unobtained> {
        let unfit = || Unobtained("`private_key` is not an RSA key in PEM form".to_owned());
        let pem = self.private_key.expose().as_bytes();
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| unfit())?;
        let key = any_supported_type(&der).map_err(|_| unfit())?;
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(unfit)?;
        signer.sign(message).map_err(|_| unfit())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Used for nothing else.
    const KEY: &str = include_str!("../../../tests/data/throwaway-rsa-key.pem");
    /// The claim of the test below, as `openssl dgst -sha256 -sign` signs it with that key.
    const ASSERTION: &str = include_str!("../../../tests/data/throwaway-rsa-assertion.txt");

    fn assertion(key: &str) -> Result<String, Unobtained> {
        let account = ServiceAccount {
            client_email: "sa@p.iam.gserviceaccount.com".to_owned(),
            private_key: key.into(),
            private_key_id: Some("key-1".to_owned()),
            token_uri: None,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_403_347);
        account.assertion(TOKEN_ENDPOINT, now)
    }

    #[test]
    fn a_claim_is_signed_as_openssl_signs_it() {
        assert_eq!(assertion(KEY).unwrap(), ASSERTION.trim());
    }

    #[test]
    fn a_bad_key_is_told_without_showing_it() {
        let cut = &KEY[..KEY.len() / 2];
        for key in ["", "not a key", cut] {
            let Unobtained(reason) = assertion(key).unwrap_err();
            assert!(reason.contains("`private_key`") && reason.len() < 80, "{reason}");
        }
    }
}
