//! `ledger:` and `telemetry:`, which have few fields yet.

use std::path::PathBuf;

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
        if let Some(durability) = fields.get("durability") {
            unavailable::refuse(
                &durability,
                "no entry is promised to be durable at a given moment",
            );
        }
        Some(())
    });
    ledger
}

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
