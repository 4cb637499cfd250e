//! What a request is marked with: by its key, and by its caller in `x-isthmus-tags: name=value, …`.
//! Reports group by tags, and budgets may be theirs, so a caller cannot take a key's own away.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use isthmus_inference::failure::Failure;

const NAME: &str = "x-isthmus-tags";
static HEADER: HeaderName = HeaderName::from_static(NAME);

/// The most tags of one request.
const MOST: usize = 16;
/// The longest name of a tag, in bytes,
const LONGEST_NAME: usize = 64;
/// and the longest value.
const LONGEST_VALUE: usize = 256;

/// The tags of a request. Those of its key count where both say something.
pub fn tags(
    headers: &HeaderMap,
    of_key: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut tags = BTreeMap::new();
    for value in headers.get_all(&HEADER) {
        let text = value.to_str().map_err(|_| wrong("it is not plain ASCII text"))?;
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = read(pair).map_err(|error| wrong(&error))?;
            tags.insert(name, value);
        }
    }
    if tags.len() > MOST {
        return Err(wrong(&format!("there are more than {MOST} tags")));
    }
    tags.extend(of_key.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(tags)
}

/// Reads `name=value`.
pub fn read(pair: &str) -> Result<(String, String), String> {
    let (name, value) = pair
        .split_once('=')
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| format!("`{pair}` is not `name=value`"))?;
    if name.len() > LONGEST_NAME || value.len() > LONGEST_VALUE {
        return Err(format!(
            "`{name}` is too long: a name has at most {LONGEST_NAME} bytes, a value {LONGEST_VALUE}"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn wrong(what: &str) -> Failure {
    Failure::invalid(NAME, format!("the header `{NAME}` lists tags as `name=value, …`: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, of_key: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Failure> {
        let headers = HeaderMap::from_iter([(HEADER.clone(), header.parse().unwrap())]);
        let of_key = of_key.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        tags(&headers, &of_key.collect())
    }

    #[test]
    fn callers_add_tags_and_cannot_change_those_of_their_key() {
        let tags = of("feature=summary, team = x ,", &[("team", "support")]).unwrap();
        let told: Vec<_> =
            tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, [("feature", "summary"), ("team", "support")]);
    }

    #[test]
    fn what_is_no_tag_is_named() {
        let many = (0..17).map(|number| format!("t{number}=x")).collect::<Vec<_>>().join(",");
        let long = format!("a={}", "x".repeat(LONGEST_VALUE + 1));
        for (header, what) in
            [("feature", "`feature`"), ("=x", "`=x`"), (&*many, "16"), (&*long, "`a`")]
        {
            let failure = of(header, &[]).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(NAME));
            assert!(failure.message.contains(what), "{}", failure.message);
        }
    }
}
