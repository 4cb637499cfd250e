//! One way to compare places, where an operator may write `eu-central-1`, `DE` or `EU`.
//!
//! An endpoint's places stay as they are written. What a request *allows* is widened to all that is
//! known to lie within: `DE` allows `eu-central-1` and `europe-west3` too, and `EU` each member with
//! its regions. Then `allowed.containsAll(processing)` asks the right question. The other way
//! round, widening an endpoint's places to the areas around them, would answer a wrong one: an
//! endpoint in `DE` would need `EU` to be allowed.
//!
//! A place that is not known here is allowed only where it is written itself.

use std::collections::BTreeSet;

use isthmus_inference::place::{EU, UNION, is_in_union, regions_of};

/// All places in which one is within what is allowed.
pub(super) fn within(allowed: &BTreeSet<String>) -> BTreeSet<&str> {
    let mut places: BTreeSet<&str> = allowed.iter().map(String::as_str).collect();
    if places.contains(EU) {
        places.extend(UNION);
    } else if UNION.iter().all(|member| places.contains(member)) {
        places.insert(EU);
    }
    let regions: Vec<&str> = places.iter().copied().flat_map(regions_of).collect();
    places.extend(regions);
    places
}

/// The places of people with the areas around them: who lives in `DE` lives in `EU`.
pub(super) fn around(places: &BTreeSet<String>) -> BTreeSet<&str> {
    let union = places.iter().any(|place| is_in_union(place)).then_some(EU);
    places.iter().map(String::as_str).chain(union).collect()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::place::country;
    use proptest::prelude::*;

    use super::*;

    fn set(places: &str) -> BTreeSet<String> {
        places.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_allowed_area_allows_what_lies_within_and_nothing_around() {
        let allows = |allowed: &str, place: &str| within(&set(allowed)).contains(place);
        for (allowed, place) in
            [("DE", "DE"), ("DE", "eu-central-1"), ("DE", "europe-west3"), ("EU", "DE")]
        {
            assert!(allows(allowed, place), "{allowed} allows {place}");
        }
        assert!(allows("EU", "eu-west-1") && allows("mars-north-1", "mars-north-1"));
        for (allowed, place) in
            [("DE", "EU"), ("DE", "FR"), ("EU", "eu-west-2"), ("EU", "CH"), ("eu-central-1", "DE")]
        {
            assert!(!allows(allowed, place), "{allowed} does not allow {place}");
        }
        assert!(!allows("EU", "mars-north-1") && within(&set("")).is_empty());
    }

    #[test]
    fn every_member_together_is_the_union() {
        let members: BTreeSet<String> = UNION.map(str::to_owned).into_iter().collect();
        assert!(within(&members).contains(EU));
        let mut but_one = members;
        but_one.remove("MT");
        assert!(!within(&but_one).contains(EU));
    }

    #[test]
    fn people_live_in_the_union_around_their_country() {
        assert_eq!(around(&set("DE US")), BTreeSet::from(["DE", "EU", "US"]));
        assert_eq!(around(&set("CH")), BTreeSet::from(["CH"]));
        assert_eq!(around(&set("EU")), BTreeSet::from(["EU"]));
    }

    proptest! {
        /// More allowed places never allow less, and widening twice adds nothing.
        #[test]
        fn widening_is_a_closure(
            some in proptest::collection::btree_set(place(), 0..6),
            more in proptest::collection::btree_set(place(), 0..6),
        ) {
            let both: BTreeSet<String> = some.union(&more).cloned().collect();
            prop_assert!(within(&some).is_subset(&within(&both)));
            let once: BTreeSet<String> = within(&some).iter().map(ToString::to_string).collect();
            prop_assert_eq!(within(&once), once.iter().map(String::as_str).collect());
            for place in within(&some).iter().filter(|place| !some.contains(**place)) {
                let country = country(place).unwrap_or(place);
                let union = some.contains(EU) && is_in_union(country);
                prop_assert!(union || some.contains(country), "{} is not within", place);
            }
        }
    }

    fn place() -> impl Strategy<Value = String> {
        const PLACES: &[&str] =
            &["EU", "DE", "FR", "US", "CH", "eu-central-1", "us-east-1", "mars-north-1"];
        proptest::sample::select(PLACES).prop_map(str::to_owned)
    }
}
