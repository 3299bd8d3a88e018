//! Saved values in a template, and replies against what they must hold.

use std::collections::BTreeMap;

use serde_json::Value;

/// What was saved, by name.
pub(super) type Saved = BTreeMap<String, Value>;

/// `template` with every `${name}` replaced.
pub(super) fn fill(template: &Value, saved: &Saved) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => match whole_placeholder(text) {
            Some(name) => find(name, saved)?.clone(),
            None => Value::String(fill_text(text, saved)?),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, saved)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let filled = members.iter().map(|(name, value)| Ok((name.clone(), fill(value, saved)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// The name in a text that is one placeholder and nothing else.
fn whole_placeholder(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}').filter(|name| !name.contains(['$', '{', '}']))
}

fn find<'s>(name: &str, saved: &'s Saved) -> Result<&'s Value, String> {
    saved.get(name).ok_or_else(|| format!("nothing was saved as {name:?}"))
}

/// `text` with every `${name}` replaced; what is no text goes in as JSON.
pub(super) fn fill_text(text: &str, saved: &Saved) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?} has no closing brace"))?;
        filled.push_str(before);
        match find(name, saved)? {
            Value::String(value) => filled.push_str(value),
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Where `found` does not hold what `expected` names.
pub(super) fn difference(expected: &Value, found: Option<&Value>, at: &str) -> Option<String> {
    match (expected, found) {
        (Value::Null, None) => None,
        (Value::Null, Some(_)) => Some(format!("{at} should be absent")),
        (_, None) => Some(format!("{at} is missing")),
        (Value::String(any), Some(_)) if any == "*" => None,
        (Value::Object(members), Some(Value::Object(found))) => members
            .iter()
            .find_map(|(name, expected)| difference(expected, found.get(name), &format!("{at}/{name}"))),
        (Value::Array(items), Some(Value::Array(found))) if items.len() == found.len() => {
            items.iter().zip(found).enumerate().find_map(|(index, (expected, found))| {
                difference(expected, Some(found), &format!("{at}/{index}"))
            })
        }
        (expected, Some(found)) if expected == found => None,
        (expected, Some(found)) => Some(format!("{at} should be {expected}, and is {found}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subset_matches_and_anything_else_is_named() {
        let found = json!({"a": 1, "b": [{"c": "x", "d": 2}], "e": "y"});
        let same = [json!({}), json!({"a": 1}), json!({"b": [{"c": "x"}]}), json!({"e": "*", "z": null})];
        let other = [
            json!({"a": 2}),
            json!({"b": []}),
            json!({"b": [{"c": "y"}]}),
            json!({"z": "*"}),
            json!({"a": null}),
        ];
        assert!(same.iter().all(|expected| difference(expected, Some(&found), "").is_none()));
        assert!(other.iter().all(|expected| difference(expected, Some(&found), "").is_some()));
    }

    #[test]
    fn templates_are_filled_and_unknown_names_refused() {
        let saved = BTreeMap::from([("a".to_owned(), json!("1")), ("b".to_owned(), json!({"c": [2]}))]);
        let filled = fill(&json!({"x": ["-${a}-", "${a}", "${b}", "${a}${b}"]}), &saved).unwrap();
        assert_eq!(filled, json!({"x": ["-1-", "1", {"c": [2]}, "1{\"c\":[2]}"]}));
        assert!(fill(&json!("${c}"), &saved).is_err());
        assert!(fill_text("${c} ", &saved).is_err());
        assert!(fill_text("${a", &saved).is_err());
    }
}
