//! Whose a call is and what it is about, made once for calls that are alike: most are like one of the
//! last.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use isthmus_ledger::entry::About;

use super::Record;

/// The same as [`About`], as it stands in a call.
struct Said<'r> {
    organisation: &'r str,
    team: &'r str,
    app: &'r str,
    key: &'r str,
    model: &'r str,
    tags: &'r BTreeMap<String, String>,
    data_class: &'r str,
    policy: &'r str,
}

/// How many are kept for each thread. They are looked through one by one, for less than it takes to make
/// one.
const KEPT: usize = 16;

thread_local! {
    /// Those that were made last, the newest first.
    static RECENT: RefCell<VecDeque<Arc<About>>> = const { RefCell::new(VecDeque::new()) };
}

impl Record {
    /// Whose call it is and what it is about.
    pub fn about(&self) -> Arc<About> {
        let said = Said::of(self);
        RECENT.with_borrow_mut(|recent| {
            if let Some(about) = recent.iter().find(|about| said.is(about)) {
                return Arc::clone(about);
            }
            let about = Arc::new(said.kept());
            recent.truncate(KEPT - 1);
            recent.push_front(Arc::clone(&about));
            about
        })
    }
}

// === impl Said ===

impl<'r> Said<'r> {
    fn of(record: &'r Record) -> Self {
        let tenant = record.tenant.as_ref();
        let principal = tenant.map(|tenant| &**tenant.principal());
        Self {
            organisation: principal.map_or("", |it| &it.organisation),
            team: principal.map_or("", |it| &it.team),
            app: principal.map_or("", |it| &it.app),
            key: tenant.and_then(|tenant| tenant.key_id()).unwrap_or_default(),
            model: record.pool.as_ref().map_or("", |pool| pool.name.as_str()),
            tags: &record.tags,
            data_class: record.classified.map_or("", |it| it.class.strictest().as_str()),
            policy: record.edition.as_ref().map_or("", |edition| edition.version()),
        }
    }

    fn is(&self, about: &About) -> bool {
        let About { organisation, team, app, key, model, tags, data_class, policy } = about;
        // Those that tell most calls apart come first.
        self.key == key
            && self.model == model
            && self.data_class == data_class
            && self.policy == policy
            && self.app == app
            && self.team == team
            && self.organisation == organisation
            && self.tags == tags
    }

    fn kept(&self) -> About {
        About {
            organisation: self.organisation.to_owned(),
            team: self.team.to_owned(),
            app: self.app.to_owned(),
            key: self.key.to_owned(),
            model: self.model.to_owned(),
            tags: self.tags.clone(),
            data_class: self.data_class.to_owned(),
            policy: self.policy.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_same_and_nothing_else_is() {
        let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let none = BTreeMap::new();
        let words = ["o", "t", "a", "k", "m", "c", "p"];
        let said = |words: [&'static str; 7], tags| {
            let [organisation, team, app, key, model, data_class, policy] = words;
            Said { organisation, team, app, key, model, tags, data_class, policy }
        };
        let about = said(words, &tags).kept();
        assert!(said(words, &tags).is(&about));
        assert!(!said(words, &none).is(&about));
        for place in 0..words.len() {
            let mut other = words;
            other[place] = "x";
            assert!(!said(other, &tags).is(&about), "{place}");
        }
    }
}
