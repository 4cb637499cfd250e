//! "Did you mean …?": the known name that is closest to a wrong one.

use std::fmt::Write;

use crate::tree::shown;

/// How many known names a hint lists when none of them is near.
const LISTED: usize = 12;

/// The known name that somebody who wrote `wrong` most likely meant, if any is near enough: about
/// one slip of the finger in three letters, or one name the beginning of the other. Letter case
/// does not count.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let slips_allowed = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (name.to_lowercase(), name))
        .map(|(lower, name)| (strsim::osa_distance(&wrong, &lower), begins(&wrong, &lower), name))
        .filter(|(slips, begins, _)| *slips <= slips_allowed || *begins)
        .min_by_key(|(slips, ..)| *slips)
        .map(|(.., name)| name)
}

/// Whether one is the beginning of the other, and long enough to mean something.
fn begins(one: &str, other: &str) -> bool {
    let shorter = one.len().min(other.len());
    shorter >= 3 && (one.starts_with(other) || other.starts_with(one))
}

/// The end of a complaint about `wrong`: the nearest known name, else the known names if they are
/// few, else nothing.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(wrong, known.iter().copied()) {
        return format!("; did you mean `{}`?", shown(name));
    }
    let mut hint = String::new();
    for (index, name) in known.iter().take(LISTED).enumerate() {
        let before = if index == 0 { "; there are " } else { ", " };
        let _ = write!(hint, "{before}`{}`", shown(name));
    }
    if known.len() > LISTED {
        let _ = write!(hint, " and {} more", known.len() - LISTED);
    }
    if known.len() == 1 { hint.replace("there are", "there is only") } else { hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_forgiven() {
        let known = ["endpoints", "objective", "fallback"];
        assert_eq!(nearest("endpoint", known), Some("endpoints"));
        assert_eq!(nearest("fallbcak", known), Some("fallback"));
        assert_eq!(nearest("OBJECTIVE", known), Some("objective"));
        assert_eq!(nearest("hedge", known), None);
    }

    #[test]
    fn a_beginning_is_near_to_the_whole() {
        assert_eq!(nearest("cheap", ["ordered", "cheapest"]), Some("cheapest"));
        assert_eq!(nearest("warning", ["error", "warn"]), Some("warn"));
        assert_eq!(nearest("c", ["ordered", "cheapest"]), None);
        assert_eq!(nearest("", ["ordered", ""]), Some(""));
    }

    #[test]
    fn the_nearer_of_two_wins() {
        assert_eq!(nearest("chat-2", ["chat-11", "chat-1"]), Some("chat-1"));
    }

    #[test]
    fn without_a_near_name_a_hint_lists_the_known_ones() {
        assert_eq!(hint("zzz", ["alpha", "beta"]), "; there are `alpha`, `beta`");
        assert_eq!(hint("zzz", ["alpha"]), "; there is only `alpha`");
        assert_eq!(hint("zzz", []), "");
        assert_eq!(hint("llama", ["l\tlama"]), "; did you mean `l\\tlama`?");
        assert_eq!(hint("zzz", ["a\nb"]), "; there is only `a\\nb`");
        assert!(hint("zzz", ["alphabet"; 20]).ends_with("`alphabet` and 8 more"));
    }
}
