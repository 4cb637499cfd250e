//! A decision, told to people: a few lines of facts, a table, and the reasons below it.

use std::fmt;

use isthmus_inference::ident::EndpointName;

use super::{EndpointTold, Explained, Figures, OutcomeTold, RuleTold, TermsTold};

/// The columns of the table and their widths; the last one is as wide as it needs to be.
const COLUMNS: [(&str, usize); 7] = [
    ("", 3),
    ("endpoint", 28),
    ("cost $", 14),
    ("p95 TTFT ms", 12),
    ("tok/s", 7),
    ("P(fail)", 8),
    ("margin", 10),
];

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts(f)?;
        writeln!(f)?;
        for (title, width) in COLUMNS {
            write!(f, "{title:<width$}")?;
        }
        writeln!(f)?;
        for endpoint in &self.endpoints {
            self.row(f, endpoint)?;
        }
        writeln!(f)?;
        for endpoint in &self.endpoints {
            reasons(f, endpoint)?;
        }
        self.conclusion(f)
    }
}

impl Explained {
    fn facts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.request_id {
            writeln!(f, "request    {id}")?;
        }
        let (who, about) = (&self.who, &self.request);
        writeln!(f, "model      {}", self.model)?;
        writeln!(f, "who        {} / {} / {}", who.organisation, who.team, who.app)?;
        let by = if about.declared { "" } else { " (nobody said so)" };
        write!(f, "data       {}{by}", about.classes.join(","))?;
        if !about.subject_regions.is_empty() {
            write!(f, ", of people in {}", list(&about.subject_regions))?;
        }
        if let Some(regions) = &about.allowed_regions {
            write!(f, ", only in {}", list(regions))?;
        }
        writeln!(f)?;
        writeln!(f, "policy     {}", self.policy)?;
        let expected = &self.expected;
        writeln!(
            f,
            "expected   {} tokens in, {} out",
            expected.input_tokens, expected.output_tokens
        )?;
        let figures = match self.figures {
            Figures::Recorded => "as they were when it came",
            Figures::Live => "as they are now",
            Figures::Assumed => "assumed: what is usual for such endpoints, nothing was measured",
        };
        writeln!(f, "objective  {} (scores in {}); figures {figures}", self.objective, self.unit)
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, endpoint: &EndpointTold) -> fmt::Result {
        let place = endpoint.place.map_or_else(|| "–".to_owned(), |place| place.to_string());
        let name: String = endpoint.name.as_str().chars().take(COLUMNS[1].1 - 1).collect();
        write!(f, "{place:<3}{name:<28}")?;
        match &endpoint.terms {
            Some(terms) => self.terms(f, endpoint, terms),
            None => writeln!(f, "{}", endpoint.out.as_deref().unwrap_or_default()),
        }
    }

    fn terms(
        &self,
        f: &mut fmt::Formatter<'_>,
        endpoint: &EndpointTold,
        terms: &TermsTold,
    ) -> fmt::Result {
        let cost = terms.cost_usd.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string());
        let (ttft, tps) = (terms.p95_ttft_ms, terms.tokens_per_second);
        let failure = format!("{:.1} %", terms.failure * 100.0);
        write!(f, "{cost:<14}{ttft:<12.0}{tps:<7.0}{failure:<8}")?;
        let margin = match self.unit {
            "pico-dollars" => format!("{:+.6} $", terms.margin / 1e12),
            "seconds" => format!("{:+.3} s", terms.margin),
            _ => format!("{:+.0}", terms.margin),
        };
        let margin = if endpoint.place == Some(1) { "first".to_owned() } else { margin };
        write!(f, "{margin:<10}")?;
        if !terms.relaxed.is_empty() {
            write!(f, " relaxed: {}", terms.relaxed)?;
        }
        writeln!(f, "{}", endpoint.out.as_ref().map(|out| format!(" {out}")).unwrap_or_default())
    }

    fn conclusion(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        match &self.refused {
            Some(refused) => writeln!(f, "no plan: {refused}")?,
            None => {
                let plan: Vec<&str> = self.plan.iter().map(EndpointName::as_str).collect();
                let picked = self.picked.unwrap_or_default();
                writeln!(f, "plan: {} (first choice: {picked})", plan.join(", then "))?;
            }
        }
        if let Some(hedge) = &self.hedge {
            writeln!(f, "a second copy goes to {} after {} ms", hedge.partner, hedge.after_ms)?;
        }
        let Some(OutcomeTold { outcome, endpoint, tokens, cost_usd, .. }) = &self.outcome else {
            return Ok(());
        };
        write!(f, "came of it: {outcome}")?;
        if let Some(endpoint) = endpoint {
            write!(f, " by {endpoint}")?;
        }
        if let Some((input, output)) = tokens {
            write!(f, ", {input} tokens in, {output} out")?;
        }
        if let Some(cost) = cost_usd {
            write!(f, ", ${cost}")?;
        }
        writeln!(f)
    }
}

/// What policy says of one endpoint.
fn reasons(f: &mut fmt::Formatter<'_>, endpoint: &EndpointTold) -> fmt::Result {
    let may = [
        (endpoint.may_route, "route"),
        (endpoint.may_fallback, "fallback"),
        (endpoint.may_hedge, "hedge"),
    ];
    let may: Vec<&str> = may.iter().filter(|(may, _)| *may).map(|(_, way)| *way).collect();
    let may = if may.is_empty() { "denied".to_owned() } else { may.join(", ") };
    writeln!(f, "{}: {may}", endpoint.name)?;
    for RuleTold { id, effect, reason, law } in &endpoint.rules {
        let effect = effect.map(|effect| format!("{effect} ")).unwrap_or_default();
        let law = law.as_ref().map(|law| format!(" [{law}]")).unwrap_or_default();
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        writeln!(f, "    {effect}{id}{law}{reason}")?;
    }
    if endpoint.rules.is_empty() && !endpoint.may_route {
        writeln!(f, "    no rule permits it")?;
    }
    Ok(())
}

fn list(places: &std::collections::BTreeSet<String>) -> String {
    places.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
