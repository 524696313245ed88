//! Elements of HTML and SVG that are well-formed and escaped by construction.

use std::fmt::Write as _;

/// HTML elements without content; all others need their end tag, empty or not.
const VOID: [&str; 2] = ["meta", "br"];

/// An element with its attributes and what is in it.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
    Trusted(&'static str),
}

/// Begins an element.
#[must_use]
pub fn el(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    /// Adds an attribute; each name once.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Adds these classes.
    #[must_use]
    pub fn class(self, names: impl std::fmt::Display) -> Self {
        self.set("class", names)
    }

    /// Adds coordinates, in pixels.
    #[must_use]
    pub fn at(mut self, coordinates: &[(&'static str, f64)]) -> Self {
        self.attributes.extend(coordinates.iter().map(|(name, value)| (*name, px(*value))));
        self
    }

    /// Adds an element in it, after those before.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// Adds several elements in it.
    #[must_use]
    pub fn all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds text in it; whatever it is, it stays text.
    #[must_use]
    pub fn text(mut self, text: impl std::fmt::Display) -> Self {
        self.children.push(Node::Text(text.to_string()));
        self
    }

    /// Adds text of the program itself that is not escaped: a style sheet. It must hold neither `<` nor `&`.
    #[must_use]
    pub fn trusted(mut self, text: &'static str) -> Self {
        self.children.push(Node::Trusted(text));
        self
    }

    /// Writes it down.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"");
            escape(value, out);
            out.push('"');
        }
        if VOID.contains(&self.name) {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => escape(text, out),
                Node::Trusted(text) => out.push_str(text),
            }
        }
        let _ = write!(out, "</{}>", self.name);
    }
}

/// Characters with a meaning in markup become entities; characters that no document may hold become the replacement
/// character.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// A coordinate with a tenth of a pixel; what is no number is 0.
#[must_use]
pub fn px(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_nest() {
        let page = el("p").class("a b").text("1 < 2").with(el("br")).with(el("b")).all([el("i").text("x")]);
        assert_eq!(page.render(), "<p class=\"a b\">1 &lt; 2<br/><b></b><i>x</i></p>");
        assert_eq!(el("g").at(&[("x", 1.25), ("y", f64::NAN)]).render(), "<g x=\"1.2\" y=\"0\"></g>");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_reader_of_xml(text in "[^\\p{Cc}\u{fffe}\u{ffff}]*") {
            let page = el("p").set("title", &text).text(&text).render();
            let mut reader = quick_xml::Reader::from_str(&page);
            let mut found = String::new();
            loop {
                match reader.read_event().unwrap() {
                    quick_xml::events::Event::Text(part) => found.push_str(&part),
                    quick_xml::events::Event::GeneralRef(part) => {
                        found.push_str(quick_xml::escape::resolve_predefined_entity(&part).unwrap());
                    }
                    quick_xml::events::Event::Eof => break,
                    _ => {}
                }
            }
            prop_assert_eq!(found, text);
        }
    }
}
