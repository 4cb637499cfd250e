//! `/admin/v1/report`: the same as `isthmus report --format json`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use isthmus_ledger::books::Books;
use isthmus_ledger::report::calendar::Zone;
use isthmus_ledger::sheet::json;
use serde_json::{Value, json};

use super::admin::{json_answer, may_look, no_token};
use crate::app::App;
use crate::calendar::unix_milliseconds;
use crate::report::{Arrangements, Question, Subject, keys, prices};

/// What is asked, in the words of the command's options.
#[derive(Debug, Default)]
struct Asked {
    report: Option<String>,
    group_by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    time_zone: Option<String>,
}

/// `GET /admin/v1/report?group_by=team,day&from=7d`: who spent what.
pub async fn report(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    if !may_look(app.admin_token.as_ref(), &headers) {
        return no_token();
    }
    let told = match Asked::read(uri.query().unwrap_or_default()) {
        Ok(asked) => told(&app, &asked).await,
        Err(error) => Err((StatusCode::BAD_REQUEST, error)),
    };
    let (status, body) = match told {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": { "message": message } })),
    };
    json_answer(status, &body)
}

async fn told(app: &App, asked: &Asked) -> Result<Value, (StatusCode, String)> {
    let now = unix_milliseconds();
    let question = question(asked, now).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    let failed = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error);
    let books = app.ledger.get().ok_or_else(|| failed("the ledger is not open yet".to_owned()))?;
    let arrangements = Arrangements::at_work(&app.directory);
    let prices = prices(books).await.map_err(|error| failed(error.to_string()))?;
    let buckets = books.buckets(question.reads(&arrangements, now)).await;
    let buckets = buckets.map_err(|error| failed(error.to_string()))?;
    // A long report is work for a while, and other requests have to be answered meanwhile.
    let work = move || json::value(&question.answer(&buckets, &arrangements, &prices, now));
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(error.to_string()))
}

fn question(asked: &Asked, now: i64) -> Result<Question, String> {
    let subject: Subject = asked.report.as_deref().unwrap_or("spend").parse()?;
    let zone = Zone::named(asked.time_zone.as_deref().unwrap_or("UTC"));
    let zone = zone.map_err(|error| error.to_string())?;
    let period = zone.period(asked.from.as_deref(), asked.to.as_deref(), now);
    let keys = keys(asked.group_by.as_deref().unwrap_or(subject.usual_keys()));
    Ok(Question {
        subject,
        keys: keys.map_err(|error| error.to_string())?,
        period: period.map_err(|error| error.to_string())?,
        zone,
    })
}

impl Asked {
    fn read(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "report" => &mut asked.report,
                "group_by" => &mut asked.group_by,
                "from" => &mut asked.from,
                "to" => &mut asked.to,
                "time_zone" => &mut asked.time_zone,
                other => {
                    return Err(format!(
                        "`{other}` is unknown; a report is asked for with report, group_by, from, to and time_zone"
                    ));
                }
            };
            *place = Some(value.into_owned());
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_question_is_named() {
        let asked = |group_by: &str, from: &str| {
            Asked::read(&format!("group_by={group_by}&from={from}")).unwrap()
        };
        assert!(Asked::read("groups=team").unwrap_err().contains("`groups`"));
        let now = 1_795_882_800_000;
        assert!(question(&asked("team,day", "7d"), now).is_ok());
        assert!(question(&asked("teams", "7d"), now).unwrap_err().contains("`teams`"));
        assert!(question(&asked("team", "soon"), now).unwrap_err().contains("`soon`"));
    }
}
