//! The results of policy tests as JUnit's XML, which build servers read: a suite for each file of
//! tests, and one for the rule that every policy decides something.

use std::fmt::{self, Write};

use isthmus_policies::permit::Rule;

use super::test::{Tested, idle};

/// A text within XML, in which no character is markup.
struct Escaped<'a>(&'a str);

/// One case: what it is called, where it stands, and what went wrong.
struct Case<'a> {
    name: &'a str,
    file: &'a str,
    line: usize,
    failure: Option<String>,
}

/// The whole document.
pub(super) fn document(tested: &Tested<'_>) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (suite, report) in &tested.reports {
        let cases = report.outcomes.iter().map(|outcome| Case {
            name: &outcome.name,
            file: &suite.file,
            line: outcome.line,
            failure: (!outcome.differences.is_empty()).then(|| outcome.differences.join("\n")),
        });
        write_suite(&mut xml, &suite.file, &cases.collect::<Vec<_>>());
    }
    let busy = tested.busy.iter().map(|rule| Case::of(rule, None));
    let idle = tested.idle.iter().map(|rule| Case::of(rule, Some(idle(rule))));
    write_suite(&mut xml, "every policy decides", &busy.chain(idle).collect::<Vec<_>>());
    xml.push_str("</testsuites>\n");
    xml
}

impl<'a> Case<'a> {
    fn of(rule: &'a Rule, failure: Option<String>) -> Self {
        Self { name: &rule.id, file: &rule.file, line: rule.line, failure }
    }
}

fn write_suite(xml: &mut String, name: &str, cases: &[Case<'_>]) {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let (name, tests) = (Escaped(name), cases.len());
    line(
        xml,
        format_args!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">"
        ),
    );
    for case in cases {
        let Case { line: number, failure, .. } = case;
        let (case_name, file) = (Escaped(case.name), Escaped(case.file));
        let attributes =
            format!("classname=\"{name}\" name=\"{case_name}\" file=\"{file}\" line=\"{number}\"");
        match failure {
            None => line(xml, format_args!("    <testcase {attributes}/>")),
            Some(failure) => {
                let failure = Escaped(failure);
                line(xml, format_args!("    <testcase {attributes}>"));
                line(xml, format_args!("      <failure message=\"{failure}\"/>"));
                line(xml, format_args!("    </testcase>"));
            }
        }
    }
    line(xml, format_args!("  </testsuite>"));
}

fn line(xml: &mut String, text: fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = writeln!(xml, "{text}");
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // Within an attribute a plain line break would be read as a space.
                '\n' => f.write_str("&#10;")?,
                // XML has no place for other control characters.
                control if control.is_control() => f.write_char('\u{fffd}')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_markup() {
        let text = Escaped("a < b && \"c\" > d\n\u{1}").to_string();
        assert_eq!(text, "a &lt; b &amp;&amp; &quot;c&quot; &gt; d&#10;\u{fffd}");
    }
}
