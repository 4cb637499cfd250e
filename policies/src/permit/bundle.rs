//! Texts become a set of policies that was validated strictly, or every complaint about them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use sha2::{Digest, Sha256};

use crate::permit::complaint::{Complaint, position};

/// A file with policies. Its name stands in complaints and in [`Rule`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// What people want to know of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, `@id`, which no other policy of the bundle has.
    pub id: String,
    /// Whether it allows or forbids.
    pub effect: Effect,
    /// Who answers for it, `@owner`.
    pub owner: Option<String>,
    /// What the caller is told, `@reason`.
    pub reason: Option<String>,
    /// The law behind it, `@law`, such as `GDPR-44`.
    pub law: Option<String>,
    /// The file in which it stands.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Whether a policy allows or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows, unless another forbids.
    Permit,
    /// It forbids, whatever others allow.
    Forbid,
}

/// Policies that were parsed and strictly validated.
#[derive(Debug, Clone)]
pub struct Bundle {
    policies: PolicySet,
    rules: Vec<Rule>,
    /// Where in `rules` the policy of an id stands.
    numbers: BTreeMap<PolicyId, u16>,
    version: String,
}

/// The most policies in a bundle: each costs about a microsecond per endpoint.
const MAX_RULES: usize = 1_000;

/// The longest `@id`, in bytes.
const MAX_ID_BYTES: usize = 80;

/// The schema as it is written.
const SCHEMA: &str = include_str!("schema.cedarschema");

/// What counts where no folder of policies is configured.
const BUILTIN: &str = include_str!("builtin.cedar");

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let read = Schema::from_cedarschema_str(SCHEMA);
    let (schema, _warnings) = read.expect("the schema ships with the house, and a test reads it");
    Validator::new(schema)
});

/// The schema that every policy is validated against: `schema.cedarschema`, beside this file.
pub fn schema() -> &'static Schema {
    VALIDATOR.schema()
}

// === impl Bundle ===

impl Bundle {
    /// Reads and validates policies; the order of the sources does not matter. A warning of Cedar's
    /// is a complaint too: a policy that can never apply protects nobody.
    pub fn read(sources: &[Source]) -> Result<Self, Vec<Complaint>> {
        let mut sources: Vec<&Source> = sources.iter().collect();
        sources.sort_by_key(|source| &source.file);
        let mut reading = Reading::default();
        for source in sources {
            reading.source(source);
        }
        reading.finish()
    }

    /// The policies that count where the operator wrote none.
    pub fn builtin() -> Self {
        let source = Source { file: "built-in policies".to_owned(), text: BUILTIN.to_owned() };
        Self::read(&[source]).expect("these policies ship with the house, and a test reads them")
    }

    /// The version: 12 hexadecimal digits of a hash over the schema and every policy, whatever the
    /// files, their order, and the comments and spaces in them.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every policy, in the order of files and lines.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The policies for Cedar. Each has its `@id` as its id.
    pub fn policy_set(&self) -> &PolicySet {
        &self.policies
    }

    /// Where in [`Self::rules`] this policy stands.
    pub(super) fn number(&self, id: &PolicyId) -> Option<u16> {
        self.numbers.get(id).copied()
    }
}

// === impl Effect ===

impl Effect {
    /// The word for it, as policies have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        }
    }
}

impl From<cedar_policy::Effect> for Effect {
    fn from(effect: cedar_policy::Effect) -> Self {
        match effect {
            cedar_policy::Effect::Permit => Self::Permit,
            cedar_policy::Effect::Forbid => Self::Forbid,
        }
    }
}

// === reading ===

/// What was found so far, right and wrong.
#[derive(Default)]
struct Reading<'s> {
    found: Vec<Found<'s>>,
    complaints: Vec<Complaint>,
}

/// A policy, where it begins, and the name by which it goes here.
struct Found<'s> {
    source: &'s Source,
    offset: usize,
    policy: Policy,
}

impl<'s> Reading<'s> {
    /// Takes the policies out of one file.
    fn source(&mut self, source: &'s Source) {
        let set: PolicySet = match source.text.parse() {
            Ok(set) => set,
            Err(errors) => {
                let errors: &cedar_policy::ParseErrors = &errors;
                for error in errors.iter() {
                    self.complain(source, 0, error);
                }
                return;
            }
        };
        let policies = set.policies().map(|policy| (policy.id(), policy.to_cedar(), Some(policy)));
        let templates =
            set.templates().map(|template| (template.id(), Some(template.to_cedar()), None));
        let mut pieces: Vec<_> = policies.chain(templates).collect();
        pieces.sort_by_key(|(id, ..)| place(id));
        let mut from = 0;
        for (_, text, policy) in pieces {
            let text = text.unwrap_or_default();
            let offset = begin(&source.text, &text, from);
            from = offset + text.len();
            match policy {
                Some(policy) => self.policy(source, offset, policy),
                None => self.refuse(
                    source,
                    offset,
                    "a template (`?principal`, `?resource`) has no place here: name who is meant",
                ),
            }
        }
    }

    /// Takes one policy by its `@id`, or under a name of its own after a complaint.
    fn policy(&mut self, source: &'s Source, offset: usize, policy: &Policy) {
        let id = policy.annotation("id").unwrap_or_default();
        let named = PolicyId::new(id);
        let taken = self.found.iter().find(|found| *found.policy.id() == named);
        let fault = if id.is_empty() {
            Some("a policy needs a name: write `@id(\"…\")` before it".to_owned())
        } else if !is_plain(id) {
            Some(format!(
                "`@id` is made of at most {MAX_ID_BYTES} letters, digits, `.`, `_` and `-`"
            ))
        } else {
            taken.map(|taken| {
                let line = position(&taken.source.text, taken.offset).0;
                format!("the `@id` `{id}` is taken by {}:{line}", taken.source.file)
            })
        };
        let id = match fault {
            None => named,
            Some(fault) => {
                self.refuse(source, offset, &fault);
                // It is validated all the same, so that one run finds every fault.
                PolicyId::new(format!("unnamed policy {}", self.found.len() + 1))
            }
        };
        self.found.push(Found { source, offset, policy: policy.new_id(id) });
    }

    fn finish(mut self) -> Result<Bundle, Vec<Complaint>> {
        if let Some(beyond) = self.found.get(MAX_RULES) {
            let message = format!("more than {MAX_RULES} policies");
            let complaint =
                Complaint::at(&beyond.source.file, &beyond.source.text, beyond.offset, message);
            return Err(vec![complaint]);
        }
        let policies = self.found.iter().map(|found| found.policy.clone());
        let policies = PolicySet::from_policies(policies);
        let policies = policies.expect("no id is taken twice: `policy` sees to that");
        self.validate(&policies);
        let version = self.version();
        if !self.complaints.is_empty() {
            self.complaints.sort_by(|one, other| {
                (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column))
            });
            return Err(self.complaints);
        }
        let ids = self.found.iter().map(|found| found.policy.id().clone());
        let numbers = ids.zip(0u16..).collect();
        let rules = self.found.iter().map(Found::rule).collect();
        Ok(Bundle { policies, rules, numbers, version })
    }

    fn validate(&mut self, policies: &PolicySet) {
        let result = VALIDATOR.validate(policies, ValidationMode::Strict);
        for Found { source, offset, policy } in &self.found {
            let errors = result.validation_errors();
            let errors = errors.filter(|error| error.policy_id() == policy.id());
            let warnings = result.validation_warnings();
            let warnings = warnings.filter(|warning| warning.policy_id() == policy.id());
            let all = errors.map(|error| error as &dyn Diagnostic);
            let all = all.chain(warnings.map(|warning| warning as &dyn Diagnostic));
            let all: Vec<_> = all
                .map(|error| Complaint::of(&source.file, &source.text, *offset, error))
                .collect();
            // What is said of the whole policy follows from what is said of a part.
            let whole = position(&source.text, *offset);
            let (mut of_whole, of_parts): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|one| (one.line, one.column) == whole);
            of_whole.truncate(1);
            self.complaints.extend(if of_parts.is_empty() { of_whole } else { of_parts });
        }
    }

    /// A hash over the schema and the policies by name, each in Cedar's JSON, which knows neither
    /// comments nor spaces.
    fn version(&mut self) -> String {
        let mut policies: BTreeMap<&PolicyId, String> = BTreeMap::new();
        for found in &self.found {
            let Found { source, offset, policy } = found;
            match policy.to_json() {
                Ok(json) => {
                    policies.insert(policy.id(), json.to_string());
                }
                Err(error) => {
                    let complaint = Complaint::of(&source.file, &source.text, *offset, &error);
                    self.complaints.push(complaint);
                }
            }
        }
        let mut hash = Sha256::new_with_prefix(SCHEMA);
        for (id, policy) in &policies {
            let id: &str = id.as_ref();
            for part in [id, policy] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hash.finalize()[..6].iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes any text");
            text
        })
    }

    fn complain(&mut self, source: &Source, otherwise: usize, error: &(impl Diagnostic + ?Sized)) {
        self.complaints.push(Complaint::of(&source.file, &source.text, otherwise, error));
    }

    fn refuse(&mut self, source: &Source, offset: usize, message: &str) {
        let message = message.to_owned();
        self.complaints.push(Complaint::at(&source.file, &source.text, offset, message));
    }
}

impl Found<'_> {
    fn rule(&self) -> Rule {
        let said = |name: &str| {
            let text = self.policy.annotation(name).map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Rule {
            id: self.policy.id().to_string(),
            effect: self.policy.effect().into(),
            owner: said("owner"),
            reason: said("reason"),
            law: said("law"),
            file: self.source.file.clone(),
            line: position(&self.source.text, self.offset).0,
        }
    }
}

/// Cedar names the policies of a text `policy0`, `policy1` and so on, in their order.
fn place(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.strip_prefix("policy").and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

/// Where `piece` begins in `text`, at `from` or after it, outside of comments.
fn begin(text: &str, piece: &str, from: usize) -> usize {
    let in_comment = |at: &usize| {
        let line_start = text[..*at].rfind('\n').map_or(0, |newline| newline + 1);
        text[line_start..*at].contains("//")
    };
    let mut places = text[from..].match_indices(piece).map(|(at, _)| from + at);
    places.find(|at| !in_comment(at)).unwrap_or(from)
}

/// An `@id` travels in headers, logs and files of tests.
fn is_plain(id: &str) -> bool {
    id.len() <= MAX_ID_BYTES
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::DataClass;
    use crate::facts::{Network, Status, Tee, Trust};
    use crate::question::Action;

    fn source(file: &str, text: &str) -> Source {
        Source { file: file.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_rule_is_told_with_its_annotations_and_its_place() {
        let text = "// forbid (principal, action, resource);\n\n@id(\"one\")\n@owner(\"privacy\")\n\
                    @reason(\"no\")\n@law(\"GDPR-44\")\nforbid (principal, action, resource);\n\
                    @id(\"two\") permit (principal, action, resource);";
        let bundle = Bundle::read(&[source("a.cedar", text)]).unwrap();
        let said = |text: &str| Some(text.to_owned());
        let one = Rule {
            id: "one".to_owned(),
            effect: Effect::Forbid,
            owner: said("privacy"),
            reason: said("no"),
            law: said("GDPR-44"),
            file: "a.cedar".to_owned(),
            line: 3,
        };
        let two = Rule {
            id: "two".to_owned(),
            effect: Effect::Permit,
            owner: None,
            reason: None,
            law: None,
            line: 8,
            ..one.clone()
        };
        assert_eq!(bundle.rules(), [one, two]);
        assert_eq!(bundle.number(&PolicyId::new("two")), Some(1));
        assert_eq!(bundle.policy_set().num_of_policies(), 2);
    }

    #[test]
    fn what_ships_is_sound() {
        assert_eq!(schema().request_envs().count(), 6);
        let bundle = Bundle::builtin();
        assert!(bundle.rules().iter().all(|rule| rule.reason.is_some()));
        assert_eq!(bundle.version().len(), 12);
        assert_ne!(bundle.version(), Bundle::read(&[]).unwrap().version());
    }

    #[test]
    fn the_schemas_words_are_the_houses_words() {
        fn check<T>(of: &str, words: &[(&str, T)]) {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let line = format!("entity {of} enum [{}];", words.join(", "));
            assert!(SCHEMA.contains(&line), "the schema lacks\n{line}");
        }
        check("DataClass", DataClass::WORDS);
        check("Network", Network::WORDS);
        check("Trust", Trust::WORDS);
        check("Tee", Tee::WORDS);
        check("Status", Status::WORDS);
        let actions: Vec<&str> = Action::WORDS.iter().map(|(word, _)| *word).collect();
        assert!(SCHEMA.contains(&format!("action {} appliesTo", actions.join(", "))));
    }

    #[test]
    fn there_is_a_most_of_policies() {
        let some = |most: usize| {
            let policy =
                |number| format!("@id(\"{number}\") permit (principal, action, resource);");
            let text: String = (0..most).map(policy).collect();
            Bundle::read(&[source("many.cedar", &text)])
        };
        assert_eq!(some(MAX_RULES).unwrap().rules().len(), MAX_RULES);
        let complaints = some(MAX_RULES + 1).unwrap_err();
        assert!(complaints[0].to_string().ends_with("error: more than 1000 policies"));
    }
}
