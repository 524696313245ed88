//! The selection of objects in a multi-object request.

use serde::{Deserialize, Serialize};

use super::num::null_is_default;
use super::template::{Template, TemplateError};

/// Names, or a template; with neither, the whole bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRange {
    /// A range of names, or a prefix; see [`Template`].
    #[serde(deserialize_with = "null_is_default")]
    pub template: String,
    /// Names.
    #[serde(deserialize_with = "null_is_default")]
    pub objnames: Vec<String>,
}

/// The objects that a [`ListRange`] selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These names.
    Names(Vec<String>),
    /// The names that the template makes, whether or not they exist.
    Range(Template),
    /// All objects whose names begin so; empty is the whole bucket.
    Prefix(String),
}

impl ListRange {
    /// These names.
    #[must_use]
    pub fn of_names(names: Vec<String>) -> Self {
        ListRange { template: String::new(), objnames: names }
    }

    /// This template.
    #[must_use]
    pub fn of_template(template: &str) -> Self {
        ListRange { template: template.to_owned(), objnames: Vec::new() }
    }

    /// The selection. Names win over a template.
    ///
    /// # Errors
    /// The template is malformed.
    pub fn into_selection(self) -> Result<Selection, TemplateError> {
        if !self.objnames.is_empty() {
            return Ok(Selection::Names(self.objnames));
        }
        let template = Template::parse(&self.template)?;
        Ok(if template.is_prefix() {
            Selection::Prefix(template.into_prefix())
        } else {
            Selection::Range(template)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let of = |text: &str| serde_json::from_str::<ListRange>(text).unwrap().into_selection();
        assert_eq!(
            of(r#"{"template":"","objnames":["a","b"]}"#),
            Ok(Selection::Names(vec!["a".into(), "b".into()]))
        );
        assert_eq!(of(r#"{"template":null,"objnames":null}"#), Ok(Selection::Prefix(String::new())));
        assert_eq!(of(r#"{"template":"dir/*"}"#), Ok(Selection::Prefix("dir/".into())));
        assert!(matches!(of(r#"{"template":"a{1..3}"}"#), Ok(Selection::Range(_))));
        assert!(of(r#"{"template":"a{1..}"}"#).is_err());
    }
}
