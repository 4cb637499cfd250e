//! `${VAR}`, `${VAR:-default}` and `os.environ/VAR` inside values.
//!
//! A variable that is empty counts as unset: that is what shells and container platforms leave
//! behind for a value that nobody gave. `$${` stands for a plain `${`.

use crate::Env;

/// How a value is written that is one whole variable, in the manner of Python configurations.
const WHOLE: &str = "os.environ/";

/// Why a value cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VariableError {
    /// Neither set nor given a default.
    #[error("the environment variable `{0}` is not set; set it, or write `${{{0}:-some default}}`")]
    Unset(String),
    /// No closing brace.
    #[error("`${{` without a closing `}}`; write `$${{` where no variable is meant")]
    Unclosed,
    /// Something that no environment holds.
    #[error("a variable's name is made of letters, digits and `_`, as in `${{OPENAI_API_KEY}}`")]
    BadName,
}

/// A variable's value, unless it is unset or empty.
pub(crate) fn lookup(name: &str, env: Env) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// Whether `text` mentions a variable.
pub(crate) fn mentioned(text: &str) -> bool {
    text.starts_with(WHOLE) || text.contains("${")
}

/// `text` with every variable replaced by its value. Values are not searched for more variables.
pub(crate) fn expand(text: &str, env: Env) -> Result<String, VariableError> {
    if let Some(name) = text.strip_prefix(WHOLE) {
        return value_of(name, None, env);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        rest = &rest[start + 2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            continue;
        }
        let (inner, after) = rest.split_once('}').ok_or(VariableError::Unclosed)?;
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        expanded.push_str(before);
        expanded.push_str(&value_of(name, default, env)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn value_of(name: &str, default: Option<&str>, env: Env) -> Result<String, VariableError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(VariableError::BadName);
    }
    lookup(name, env)
        .or_else(|| default.map(str::to_owned))
        .ok_or_else(|| VariableError::Unset(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("example.org".to_owned()),
            "TRICKY" => Some("${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(expand(text, &env).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        check("plain $5 text", "plain $5 text");
        check("https://${HOST}/v1/${HOST}", "https://example.org/v1/example.org");
        check("os.environ/HOST", "example.org");
        check("not os.environ/HOST", "not os.environ/HOST");
    }

    #[test]
    fn defaults_stand_in_for_what_is_unset_or_empty() {
        check("${NOWHERE:-localhost}:80", "localhost:80");
        check("${EMPTY:-localhost}", "localhost");
        check("${HOST:-localhost}", "example.org");
        check("${NOWHERE:-}", "");
    }

    #[test]
    fn values_are_not_searched_again() {
        check("${TRICKY}", "${HOST}");
    }

    #[test]
    fn a_doubled_dollar_is_a_plain_one() {
        check("$${HOST} and ${HOST}", "${HOST} and example.org");
    }

    #[test]
    fn what_cannot_be_completed_says_why() {
        let unset = |name: &str| Err(VariableError::Unset(name.into()));
        assert_eq!(expand("${NOWHERE}", &env), unset("NOWHERE"));
        assert_eq!(expand("${EMPTY}", &env), unset("EMPTY"));
        assert_eq!(expand("os.environ/NOWHERE", &env), unset("NOWHERE"));
        assert_eq!(expand("a ${HOST", &env), Err(VariableError::Unclosed));
        assert_eq!(expand("${}", &env), Err(VariableError::BadName));
        assert_eq!(expand("${A B}", &env), Err(VariableError::BadName));
        let message = VariableError::Unset("KEY".into()).to_string();
        assert!(message.ends_with("or write `${KEY:-some default}`"), "{message}");
    }

    proptest! {
        #[test]
        fn text_without_variables_stays_as_it_is(text in "[^$]*") {
            prop_assume!(!text.starts_with(WHOLE));
            prop_assert_eq!(expand(&text, &env), Ok(text));
        }
    }
}
