//! JSON in bounds: long lists are cut, and where and how much is told.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Longest answer, in bytes of JSON: some twelve thousand tokens.
pub(super) const MOST: usize = 48 << 10;

/// Entries of a list that are kept: fewer until it fits.
const STEPS: [usize; 6] = [200, 60, 20, 8, 3, 1];

/// Most places that are told of one by one.
const PLACES: usize = 16;

/// What of lists was left out: for each place how many entries the longest there had, and how many are kept.
type Cuts = BTreeMap<String, usize>;

/// A value of no more than [`MOST`] bytes, and what of it was left out, if anything.
pub(super) fn bound(value: &Value) -> (Value, Option<Value>) {
    for keep in STEPS {
        let mut cuts = Cuts::new();
        let cut = cut(value, keep, "", &mut cuts);
        if size(&cut) <= MOST {
            return (cut, told(&cuts, keep));
        }
    }
    // Whatever is left of it is large by its fields: the plain ones alone.
    let fields = value.as_object().into_iter().flatten();
    let plain = fields.filter(|(_, field)| !field.is_array() && !field.is_object() && size(field) < 1000);
    let plain: Map<String, Value> = plain.map(|(name, field)| (name.clone(), field.clone())).take(64).collect();
    (Value::Object(plain), Some(json!([{"at": "/", "why": "too large even with one entry of each list"}])))
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn cut(value: &Value, keep: usize, at: &str, cuts: &mut Cuts) -> Value {
    match value {
        Value::Array(all) => {
            if all.len() > keep {
                let most = cuts.entry(at.to_owned()).or_default();
                *most = all.len().max(*most);
            }
            let at = format!("{at}/*");
            all.iter().take(keep).map(|one| cut(one, keep, &at, cuts)).collect()
        }
        Value::Object(all) => {
            let field = |(name, one): (&String, &Value)| (name.clone(), cut(one, keep, &format!("{at}/{name}"), cuts));
            Value::Object(all.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn told(cuts: &Cuts, keep: usize) -> Option<Value> {
    let place = |(at, had): (&String, &usize)| json!({"at": at, "had": had, "told": keep});
    (!cuts.is_empty()).then(|| cuts.iter().take(PLACES).map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_huge_is_cut_and_said() {
        let lanes: Vec<Value> =
            (0..4000).map(|rank| json!({"rank": rank, "moments": vec!["x".repeat(50); 30]})).collect();
        let (small, cuts) = bound(&json!({"outcome": "diagnosed", "lanes": lanes}));
        assert!(size(&small) <= MOST && small["outcome"] == "diagnosed", "{small}");
        let cuts = cuts.unwrap();
        assert_eq!((&cuts[0]["at"], &cuts[0]["had"]), (&json!("/lanes"), &json!(4000)));
        assert_eq!(cuts[1]["at"], "/lanes/*/moments");
        assert_eq!(bound(&json!({"a": [1, 2]})), (json!({"a": [1, 2]}), None));
        let wide: Map<String, Value> = (0..9000).map(|at| (format!("field-{at}"), json!("y".repeat(20)))).collect();
        assert!(size(&bound(&Value::Object(wide)).0) <= MOST);
    }
}
