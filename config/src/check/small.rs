//! `ledger:` and `telemetry:`, which have few fields yet.

use std::path::PathBuf;

use isthmus_ledger::journal::Durability;

use crate::check::{fx, unavailable};
use crate::reader::Value;
use crate::settings::{Ledger, LogFormat, LogLevel, Telemetry};

/// Where exchanges are counted.
pub(super) fn ledger(section: Option<&Value<'_>>) -> Ledger {
    let mut ledger = Ledger::default();
    let Some(section) = section else { return ledger };
    section.fields(|fields| {
        let postgres = fields.optional("store", |value| {
            value.word(&[("sqlite", false), ("postgres", true)]).inspect(|postgres| {
                if *postgres {
                    unavailable::refuse(
                        value,
                        "the ledger keeps its books in SQLite: `store: sqlite`",
                    );
                }
            })
        });
        if postgres == Some(true) {
            fields.get("url");
        }
        fx::fx(fields, &mut ledger);
        fields.set("path", &mut ledger.path, |value| value.text().map(PathBuf::from));
        let promises = &mut ledger.promises;
        fields.set("durability", &mut promises.durability, |value| value.word(DURABILITIES));
        let most = fields.optional("max_unposted", |value| value.integer(1..=u64::MAX));
        let serve = fields.optional("when_behind", |value| value.word(WHEN_BEHIND));
        promises.most_unposted = match serve {
            Some(true) => None,
            _ => most.or(promises.most_unposted),
        };
        Some(())
    });
    ledger
}

/// When entries must be on the disk.
const DURABILITIES: &[(&str, Durability)] = &[
    ("before_answer", Durability::BeforeAnswer),
    ("before_dispatch", Durability::BeforeDispatch),
    ("relaxed", Durability::Relaxed),
];

/// Whether calls are served while the books are too far behind.
const WHEN_BEHIND: &[(&str, bool)] = &[("refuse", false), ("serve", true)];

/// What is logged.
pub(super) fn telemetry(section: Option<&Value<'_>>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let Some(section) = section else { return telemetry };
    section.fields(|fields| {
        fields.set("log_format", &mut telemetry.log_format, |value| value.word(LogFormat::WORDS));
        fields.set("log_level", &mut telemetry.log_level, |value| value.word(LogLevel::WORDS));
        Some(())
    });
    telemetry
}
