//! Templates of names: `pre{1..100..2}mid{a..b}suf`, `pre@N`, `pre%0Nd`, or else a plain prefix.

use std::fmt;

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

/// One range of numbers and the text behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
    step: u64,
    /// Numbers are padded with zeros to this width.
    digits: usize,
    gap: String,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    prefix: String,
    ranges: Vec<Range>,
}

/// The most ranges in a template, and digits in a number: enough for any real name, and no overflow.
const MAX_RANGES: usize = 16;
/// The longest template. Every name that it makes is as long, and no name is longer.
const MAX_BYTES: usize = 8 << 10;
const MAX_DIGITS: usize = 18;

impl Range {
    /// The number of its numbers; at least 1.
    fn count(&self) -> u64 {
        (self.end - self.start) / self.step + 1
    }

    /// Everything that can be left of a text behind one of the numbers and the gap.
    fn ends<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count().min(MAX_DIGITS);
        (1..=digits).filter_map(move |len| {
            let (number, rest) = text.split_at_checked(len)?;
            let value: u64 = number.parse().ok()?;
            let is_made =
                (self.start..=self.end).contains(&value) && (value - self.start).is_multiple_of(self.step);
            // A number must be written as here: padded to the width, and no further.
            let is_written = len == self.digits
                || len > self.digits && !number.starts_with('0')
                || number == "0" && self.digits <= 1;
            (is_made && is_written).then(|| rest.strip_prefix(self.gap.as_str())).flatten()
        })
    }
}

impl Template {
    /// Parses a template. Braces make it a range and must be well formed; an `@` before a number makes it a range
    /// from 0 to that number; `%d` or `%0Nd` an endless one from 0. Anything else is a prefix, without a
    /// trailing `*`.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_BYTES {
            return Err(TemplateError(format!("a range template of {} bytes is too long", text.len())));
        }
        if text.contains(['{', '}']) {
            return parse_bash(text).ok_or_else(|| {
                TemplateError(format!("invalid range template {text:?}: expected {{first..last[..step]}}"))
            });
        }
        if let Some(template) = parse_at(text).or_else(|| parse_printf(text)) {
            return Ok(template);
        }
        let prefix = text.strip_suffix('*').unwrap_or(text).to_owned();
        Ok(Template { prefix, ranges: Vec::new() })
    }

    /// True if it has no range.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The text that all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// True when it makes this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.prefix) else { return false };
        // All places that the ranges up to here can end at: digits behind a number may belong to it or to what follows.
        let mut ends = vec![rest];
        for range in &self.ranges {
            let mut next: Vec<&str> = ends.iter().flat_map(|rest| range.ends(rest)).collect();
            next.sort_unstable_by_key(|rest| rest.len());
            next.dedup_by_key(|rest| rest.len());
            ends = next;
        }
        ends.iter().any(|rest| rest.is_empty())
    }

    /// The text before the first range.
    #[must_use]
    pub fn into_prefix(self) -> String {
        self.prefix
    }

    /// The number of names that it makes; `u64::MAX` stands for that many or more. A prefix makes one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().fold(1, |product, range| product.saturating_mul(range.count()))
    }

    /// The names in order, the last range running fastest; no more than `limit`, as a template of a few bytes can
    /// stand for more names than there are atoms.
    #[must_use]
    pub fn names(&self, limit: u64) -> Names<'_> {
        Names { template: self, next: 0, end: self.count().min(limit) }
    }
}

/// The names of a template.
#[derive(Clone, Debug)]
pub struct Names<'a> {
    template: &'a Template,
    next: u64,
    end: u64,
}

impl Iterator for Names<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.next >= self.end {
            return None;
        }
        // The running number, written in the mixed radix of the ranges' counts.
        let mut rest = self.next;
        let mut parts: Vec<(u64, &Range)> = Vec::with_capacity(self.template.ranges.len());
        for range in self.template.ranges.iter().rev() {
            parts.push((range.start + rest % range.count() * range.step, range));
            rest /= range.count();
        }
        let mut name = self.template.prefix.clone();
        for (number, range) in parts.into_iter().rev() {
            name.push_str(&format!("{number:0width$}", width = range.digits));
            name.push_str(&range.gap);
        }
        self.next += 1;
        Some(name)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

/// A number of at most [`MAX_DIGITS`] digits.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= MAX_DIGITS && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn parse_bash(text: &str) -> Option<Template> {
    let (prefix, mut rest) = text.split_once('{')?;
    let mut ranges = Vec::new();
    loop {
        let (inside, after) = rest.split_once('}')?;
        let mut numbers = inside.split("..");
        let (first, last) = (numbers.next()?, numbers.next()?);
        let step = numbers.next().map_or(Some(1), number)?;
        let (start, end) = (number(first)?, number(last)?);
        if numbers.next().is_some() || start > end || step == 0 || ranges.len() == MAX_RANGES {
            return None;
        }
        let (gap, next) = match after.split_once('{') {
            Some((gap, next)) => (gap, Some(next)),
            None => (after, None),
        };
        let digits = first.len().min(last.len());
        ranges.push(Range { start, end, step, digits, gap: gap.to_owned() });
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    let stray = prefix.contains('}') || ranges.iter().any(|range| range.gap.contains('}'));
    (!stray).then(|| Template { prefix: prefix.to_owned(), ranges })
}

/// `pre@N`: numbers from 0 to N, as wide as N is written. Not a range unless every `@` stands before a number.
fn parse_at(text: &str) -> Option<Template> {
    let (prefix, rest) = text.split_once('@')?;
    let mut ranges = Vec::new();
    for part in rest.split('@') {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (end, gap) = part.split_at_checked(digits)?;
        if ranges.len() == MAX_RANGES {
            return None;
        }
        ranges.push(Range { start: 0, end: number(end)?, step: 1, digits, gap: gap.to_owned() });
    }
    Some(Template { prefix: prefix.to_owned(), ranges })
}

/// `pre%06dsuf`: endless.
fn parse_printf(text: &str) -> Option<Template> {
    let (prefix, rest) = text.split_once('%')?;
    let (width, gap) = rest.split_once('d')?;
    let digits = match width {
        "" => 0,
        _ => usize::try_from(number(width.strip_prefix('0')?)?).ok().filter(|n| *n <= MAX_DIGITS)?,
    };
    let end = 10u64.pow(18) - 1;
    let range = Range { start: 0, end, step: 1, digits, gap: gap.to_owned() };
    Some(Template { prefix: prefix.to_owned(), ranges: vec![range] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        Template::parse(text).unwrap().names(1000).collect()
    }

    #[test]
    fn bash() {
        assert_eq!(names("a{1..3}"), ["a1", "a2", "a3"]);
        assert_eq!(names("a{08..11}.tar"), ["a08.tar", "a09.tar", "a10.tar", "a11.tar"]);
        assert_eq!(names("a{0..10..5}-{1..2}b"), ["a0-1b", "a0-2b", "a5-1b", "a5-2b", "a10-1b", "a10-2b"]);
        assert_eq!(names("{0001..2}"), ["1", "2"]);
        for bad in [
            "a{",
            "a}",
            "a{1}",
            "a{1..}",
            "a{..2}",
            "a{3..1}",
            "a{1..2..0}",
            "a{1..2..3..4}",
            "a{1..2}}",
            "a{x..y}",
            "{{1..2}}",
            "a{1..99999999999999999999}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn at_and_printf() {
        assert_eq!(names("a@2"), ["a0", "a1", "a2"]);
        assert_eq!(names("a@02-@1b"), ["a00-0b", "a00-1b", "a01-0b", "a01-1b", "a02-0b", "a02-1b"]);
        let endless = Template::parse("a-%04d.x").unwrap();
        assert_eq!(endless.names(2).collect::<Vec<_>>(), ["a-0000.x", "a-0001.x"]);
        assert_eq!(Template::parse("%d").unwrap().names(1).collect::<Vec<_>>(), ["0"]);
    }

    #[test]
    fn prefixes() {
        for (text, prefix) in [
            ("", ""),
            ("*", ""),
            ("dir/", "dir/"),
            ("a*", "a"),
            ("me@home", "me@home"),
            ("50%", "50%"),
            ("%x d", "%x d"),
            ("%5d", "%5d"),
        ] {
            let template = Template::parse(text).unwrap();
            assert!(template.is_prefix(), "{text}");
            assert_eq!(template.into_prefix(), prefix);
        }
    }

    #[test]
    fn names_are_recognized() {
        let makes = |template: &str, name: &str| Template::parse(template).unwrap().matches(name);
        assert!(makes("obj-{0..999999999}", "obj-0") && makes("obj-{0..999999999}", "obj-999999999"));
        for other in ["obj-", "obj-1000000000", "obj-01", "obj-1x", "obj--1", "ob-1", ""] {
            assert!(!makes("obj-{0..999999999}", other), "{other}");
        }
        assert!(makes("a{000..120..5}b", "a005b") && !makes("a{000..120..5}b", "a006b"));
        assert!(!makes("a{000..120..5}b", "a5b"));
        // The digits can be divided in several ways.
        assert!(
            makes("{1..9}{1..99}0", "1230") && makes("{1..99}{1..9}", "123") && !makes("{1..9}{1..9}", "123")
        );
        // The many ways in which such a text can be divided take no time.
        let many = "{0..999999999999999999}".repeat(16);
        assert!(makes(&many, &"1".repeat(200)) && !makes(&many, &"1".repeat(300)) && !makes(&many, "1"));
    }

    #[test]
    fn a_template_is_no_longer_than_a_name() {
        assert!(Template::parse(&"x".repeat(MAX_BYTES)).is_ok());
        assert!(Template::parse(&"x".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn counts_saturate() {
        let huge = Template::parse(&"{0..999999999999999999}".repeat(16)).unwrap();
        assert_eq!(huge.count(), u64::MAX);
        assert_eq!(huge.names(3).count(), 3);
        assert!(Template::parse(&"{0..1}".repeat(17)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a{}@%0-9.d*é]{0,30}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert!(template.names(50).count() <= 50);
            }
        }

        #[test]
        fn recognizes_what_it_makes(
            text in "[a0]{0,2}[{]0{0,2}[0-9]{1,2}[.][.][0-9]{2,3}([.][.][1-9])?[}][b0]{0,2}([{]0[.][.]12[}])?",
            other in "[a0]{0,2}[0-9]{1,5}[b0]{0,2}[0-9]{0,2}",
        ) {
            if let Ok(template) = Template::parse(&text) {
                let made: Vec<String> = template.names(20_000).collect();
                for name in made.iter().step_by(made.len() / 50 + 1) {
                    prop_assert!(template.matches(name), "{} {}", text, name);
                }
                prop_assert_eq!(template.matches(&other), made.contains(&other), "{} {}", text, other);
            }
        }

        #[test]
        fn as_many_as_counted(start in 0u64..50, more in 0u64..50, step in 1u64..9) {
            let end = start + more;
            let got = names(&format!("p{{{start}..{end}..{step}}}s"));
            let want: Vec<u64> = (start..=end).step_by(step as usize).collect();
            prop_assert_eq!(got.len(), want.len());
            let numbers: Vec<u64> = got.iter().map(|n| n[1..n.len() - 1].parse().unwrap()).collect();
            prop_assert_eq!(numbers, want);
        }
    }
}
