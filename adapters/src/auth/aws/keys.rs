//! Keys as containers, instances and `credential_process` write them: one JSON shape, with small
//! differences.

use std::time::SystemTime;

use isthmus_inference::secret::Secret;
use serde::Deserialize;

use crate::auth::expiry::until;
use crate::auth::refreshing::{Fresh, Unobtained};
use crate::auth::sigv4::AwsKeys;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Written {
    /// `Success`, or why there are no keys; instances only.
    code: Option<String>,
    access_key_id: Option<Secret>,
    secret_access_key: Option<Secret>,
    /// Called `Token` by metadata servers, `SessionToken` by commands.
    #[serde(alias = "Token")]
    session_token: Option<Secret>,
    /// Absent where the keys do not end.
    expiration: Option<String>,
}

impl Written {
    /// The keys. `who` wrote them.
    pub(super) fn keys(self, who: &str, now: SystemTime) -> Result<Fresh<AwsKeys>, Unobtained> {
        let (Some(id), Some(secret)) = (self.access_key_id, self.secret_access_key) else {
            let code = self.code.map(|code| format!(" ({code})")).unwrap_or_default();
            return Err(Unobtained(format!("{who} gave no keys{code}")));
        };
        let lasts = self.expiration.map(|text| until(&text, now)).transpose()?;
        let credential = AwsKeys {
            access_key_id: id,
            secret_access_key: secret,
            session_token: self.session_token.filter(|token| !token.expose().is_empty()),
        };
        Ok(Fresh { credential, lasts })
    }
}
