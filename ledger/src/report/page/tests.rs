//! A page holds together: whole, safe, and without anything to be fetched.

use std::sync::Arc;

use super::*;
use crate::books::{Dimensions, Sums};

fn bucket(team: &str, hour: i64, dollars: &str) -> Bucket {
    let mut of = Dimensions { provider: "openai".into(), ..Dimensions::default() };
    Arc::make_mut(&mut of.about).team = team.into();
    let cost = dollars.parse().unwrap();
    Bucket { hour, of, sums: Sums { requests: 1, attempts: 1, cost, ..Sums::default() } }
}

#[test]
fn a_page_is_whole_and_fetches_nothing() {
    let buckets = [bucket("<b>support", 498_264, "1.5"), bucket("", 498_300, "0.25")];
    let keys = ["team".parse().unwrap()];
    let page = Page {
        organisation: "Acme & Sons",
        period: Hours { from: 498_264, to: 498_264 + 72 },
        buckets: &buckets,
        keys: &keys,
        budgets: None,
        more: &[],
        discounts: &Discounts::default(),
        zone: &Zone::utc(),
        zone_name: "UTC",
        made_at: 1_793_800_000,
    };
    let html = page.html();
    assert!(html.contains("Acme &amp; Sons") && html.contains("&lt;b&gt;support"), "{html}");
    for foreign in ["<script", "http:", "https:", "<link", "<img", "url(", "<b>support"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("$1.75") && html.ends_with("</html>\n"));
    assert_eq!(html.matches("<rect").count(), 2);
}

#[test]
fn axes_are_round() {
    let labels = |dollars: &str| -> Vec<String> {
        let scale = scale::Scale::over(dollars.parse().unwrap(), 100.0);
        scale.lines().into_iter().map(|(_, label)| label).collect()
    };
    assert_eq!(labels("7.3"), ["$0", "$2", "$4", "$6", "$8"]);
    assert_eq!(labels("0.0031").last().map(String::as_str), Some("$0.0040"));
}
