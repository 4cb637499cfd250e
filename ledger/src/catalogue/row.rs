//! Rows of the catalogue as lines of a file: comma-separated values under fixed names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use csv::StringRecord;
use isthmus_inference::date::Date;
use isthmus_inference::meter::Meter;
use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::tariff::{Usd, Written};
use isthmus_inference::tier::Tier;

use super::{Circumstances, Mistake};
use crate::fx::{Exchange, FxError};

/// What a price list says of one model in one set of circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The kind of provider, such as `bedrock`.
    pub kind: String,
    /// The upstream's own name for the model.
    pub model: String,
    /// The region that it is for; `None` is all that have no rows of their own.
    pub region: Option<String>,
    /// The service tier, if not the usual one.
    pub tier: Option<Tier>,
    /// It holds for requests with more input tokens than this.
    pub above_tokens: u64,
    /// The code of the currency of its rates: `USD`, or one that is converted.
    pub currency: String,
    /// The rates, in that currency for a million tokens.
    pub price: Price,
    /// The first day on which it holds, in UTC; `None` if nobody knows, and it always did.
    pub effective_from: Option<Date>,
    /// The last day on which it holds; `None` is until a later row begins.
    pub effective_to: Option<Date>,
    /// The address of the price list.
    pub source: String,
    /// The day on which somebody looked.
    pub retrieved: Date,
    /// In which file it stands,
    pub file: Arc<str>,
    /// and in which line.
    pub line: u64,
}

/// The names of the columns, in their order.
const COLUMNS: [&str; 20] = [
    "kind",
    "model",
    "region",
    "tier",
    "above_tokens",
    "currency",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "request",
    "effective_from",
    "effective_to",
    "source",
    "retrieved",
];

/// The currency that needs no conversion.
pub(super) const USD: &str = "USD";

/// Reads a file of rows, or says all that is wrong with it. Lines that begin with `#` are comments.
pub fn read(file: &str, text: &str) -> Result<Vec<Row>, Vec<Mistake>> {
    let file: Arc<str> = file.into();
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(text.as_bytes());
    let mistake = |line, message: String| Mistake { file: Arc::clone(&file), line, message };
    match reader.headers() {
        Ok(headers) if headers.iter().eq(COLUMNS) => {}
        Ok(_) => {
            return Err(vec![mistake(0, format!("expected the columns {}", COLUMNS.join(",")))]);
        }
        Err(error) => return Err(vec![mistake(0, error.to_string())]),
    }
    let (mut rows, mut mistakes) = (vec![], vec![]);
    for record in reader.records() {
        let read = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            mistake(line, error.to_string())
        });
        match read.and_then(|record| row(&record, &file)) {
            Ok(row) => rows.push(row),
            Err(wrong) => mistakes.push(wrong),
        }
    }
    if mistakes.is_empty() { Ok(rows) } else { Err(mistakes) }
}

/// The text of these rows, as [`read`] reads it.
pub fn write<'a>(rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut lines = COLUMNS.join(",");
    lines.push('\n');
    for row in rows {
        let fields = COLUMNS.map(|column| escaped(row.text(column)));
        lines.push_str(&fields.join(","));
        lines.push('\n');
    }
    lines
}

fn escaped(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// One line's fields by name.
struct Line<'a> {
    record: &'a StringRecord,
    file: &'a Arc<str>,
}

fn row(record: &StringRecord, file: &Arc<str>) -> Result<Row, Mistake> {
    let line = Line { record, file };
    if record.len() != COLUMNS.len() {
        let (expected, found) = (COLUMNS.len(), record.len());
        return Err(line.mistake(format!("expected {expected} fields, found {found}")));
    }
    let rate = |name| line.optional::<Rate>(name, "a price such as 0.25");
    let row = Row {
        kind: line.required("kind")?.to_owned(),
        model: line.required("model")?.to_owned(),
        region: line.field("region").map(str::to_owned),
        tier: match line.field("tier") {
            None => None,
            Some(word) => Some(Tier::priced(word).ok_or_else(|| {
                let known = Tier::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>();
                line.wrong("tier", word, &format!("one of {}, or nothing", known.join(", ")))
            })?),
        },
        above_tokens: line.optional("above_tokens", "a number of tokens")?.unwrap_or(0),
        currency: line.currency()?,
        price: Price {
            // A forgotten price would make something free: nothing is written as 0.
            input: line.parsed("input", "a price such as 0.25")?,
            cache_read: rate("cache_read")?,
            cache_write_5m: rate("cache_write_5m")?,
            cache_write_1h: rate("cache_write_1h")?,
            audio_input: rate("audio_input")?,
            image_input: rate("image_input")?,
            output: line.parsed("output", "a price such as 0.25")?,
            reasoning: rate("reasoning")?,
            audio_output: rate("audio_output")?,
            request: line.request()?,
        },
        effective_from: line.optional("effective_from", "a day such as 2027-06-30")?,
        effective_to: line.optional("effective_to", "a day such as 2027-06-30")?,
        source: line.source()?,
        retrieved: line.parsed("retrieved", "a day such as 2027-06-30")?,
        file: Arc::clone(file),
        line: line.number(),
    };
    if row.effective_from.zip(row.effective_to).is_some_and(|(from, to)| to < from) {
        return Err(row.mistake("`effective_to` lies before `effective_from`".to_owned()));
    }
    Ok(row)
}

// === impl Line ===

impl<'a> Line<'a> {
    fn number(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// What stands in a column; `None` if nothing does.
    fn field(&self, name: &str) -> Option<&'a str> {
        let column = COLUMNS.iter().position(|column| *column == name)?;
        self.record.get(column).map(str::trim).filter(|text| !text.is_empty())
    }

    fn required(&self, name: &str) -> Result<&'a str, Mistake> {
        self.field(name).ok_or_else(|| self.mistake(format!("`{name}` is missing")))
    }

    fn optional<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Mistake> {
        let Some(text) = self.field(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(name, text, expected))
    }

    fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, Mistake> {
        let text = self.required(name)?;
        text.parse().map_err(|_| self.wrong(name, text, expected))
    }

    fn currency(&self) -> Result<String, Mistake> {
        let code = self.required("currency")?;
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if code.len() >= 2 && code.bytes().all(plain) {
            return Ok(code.to_owned());
        }
        Err(self.wrong("currency", code, "a code such as USD or AKT"))
    }

    fn request(&self) -> Result<Money, Mistake> {
        let expected = "a price for each request such as 0.005";
        let fee = self.optional::<Money>("request", expected)?.unwrap_or_default();
        if fee < Money::ZERO {
            return Err(self.wrong("request", &fee.to_string(), expected));
        }
        Ok(fee)
    }

    fn source(&self) -> Result<String, Mistake> {
        let address = self.required("source")?;
        if address.starts_with("https://") && !address.contains(char::is_whitespace) {
            return Ok(address.to_owned());
        }
        Err(self.wrong("source", address, "the address of a price list, https://…"))
    }

    fn wrong(&self, name: &str, found: &str, expected: &str) -> Mistake {
        self.mistake(format!("`{name}`: expected {expected}, found `{found}`"))
    }

    fn mistake(&self, message: String) -> Mistake {
        Mistake { file: Arc::clone(self.file), line: self.number(), message }
    }
}

// === impl Row ===

impl Row {
    /// In which circumstances it holds.
    pub(super) fn circumstances(&self) -> Circumstances<'_> {
        (self.region.as_deref(), self.tier, self.above_tokens)
    }

    /// Rows of one model are kept by circumstances, then by age.
    pub(super) fn order(&self) -> (Circumstances<'_>, Option<Date>, u64) {
        (self.circumstances(), self.effective_from, self.line)
    }

    /// For what it is, in words.
    pub fn title(&self) -> impl fmt::Display {
        Title(self)
    }

    /// The rates that it has, in words.
    pub fn rates(&self) -> impl fmt::Display {
        Rates(self)
    }

    /// Where it stands.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    pub(super) fn mistake(&self, message: String) -> Mistake {
        Mistake { file: Arc::clone(&self.file), line: self.line, message }
    }

    /// What it says, its rates taken for dollars: for looking at circumstances.
    pub(super) fn listed(&self) -> Written {
        Written {
            price: self.price,
            currency: Usd::Usd,
            tier: self.tier,
            above_tokens: self.above_tokens,
            source: self.source.clone(),
            converted: None,
        }
    }

    /// What it says, in dollars.
    pub fn written(&self, exchange: &Exchange) -> Result<Written, FxError> {
        let listed = self.listed();
        if self.currency == USD { Ok(listed) } else { exchange.converted(listed, &self.currency) }
    }

    /// The text in one of the columns.
    fn text(&self, column: &str) -> String {
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let meter = Meter::ALL.into_iter().find(|meter| meter.as_str() == column);
        if let Some(meter) = meter {
            return self.price.written(meter).unwrap_or_default();
        }
        match column {
            "kind" => self.kind.clone(),
            "model" => self.model.clone(),
            "region" => self.region.clone().unwrap_or_default(),
            "tier" => self.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            "above_tokens" if self.above_tokens == 0 => String::new(),
            "above_tokens" => self.above_tokens.to_string(),
            "currency" => self.currency.clone(),
            "effective_from" => day(self.effective_from),
            "effective_to" => day(self.effective_to),
            "source" => self.source.clone(),
            _ => self.retrieved.to_string(),
        }
    }
}

/// For what a row is.
struct Title<'a>(&'a Row);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { kind, model, region, tier, above_tokens, .. } = self.0;
        write!(f, "{kind} {model}")?;
        if let Some(region) = region {
            write!(f, " in {region}")?;
        }
        if let Some(tier) = tier {
            write!(f, ", {tier}")?;
        }
        match above_tokens {
            0 => Ok(()),
            above => write!(f, ", above {above} tokens"),
        }
    }
}

/// The rates that a row has.
struct Rates<'a>(&'a Row);

impl fmt::Display for Rates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = Meter::ALL.into_iter().filter_map(|meter| {
            Some(format!("{} {}", meter.as_str(), self.0.price.written(meter)?))
        });
        f.write_str(&rates.collect::<Vec<_>>().join(", "))
    }
}
