//! From the schema of an agent's answer to what is asked for on the wire, and back.
//!
//! On the wire every number is a whole number within bounds, because those are what a provider's
//! grammar can hold a model to. A number of an answer names its bound (`x-bound`); the wire's range is
//! the bound that is in force, times a scale that is fixed for each parameter.
//!
//! - B-1: every number that leaves an agent is finite and within its bounds: here a number must be
//!   whole and sane, or the answer is refused; what is sane but out of bounds is passed on raw, so that
//!   the one clamp counts it.

use std::sync::OnceLock;

use conclave_domain::bounds::{Bounds, BoundsTable};
use conclave_domain::limits::Limits;
use serde_json::{Map, Value, json};

use crate::runtime::agent::{ConsultError, Entry};

/// How far beyond the hard bound a number may lie and still be clamped: farther than this times the
/// bound nobody knows what the model meant.
const SANE_TIMES: f64 = 10.0;
/// Schemas nest two levels deep; a schema that refers to itself nests for ever.
const DEPTH_MAX: usize = 12;

/// Why a schema cannot go on the wire. The schemas of the fourteen can; a test looks at each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A number that no bound holds.
    #[error("the number at `{at}` names no bound")]
    Unbounded {
        /// Where it stands.
        at: String,
    },
    /// A bound that is not in the table, or has no scale.
    #[error("the number at `{at}` names the bound `{name}`, which does not exist")]
    NoSuchBound {
        /// Where it stands.
        at: String,
        /// The name.
        name: String,
    },
    /// A form that the wire does not know.
    #[error("the form of `{at}` is unknown")]
    Unknown {
        /// Where it stands.
        at: String,
    },
    /// It refers to itself.
    #[error("the schema nests too deep at `{at}`")]
    TooDeep {
        /// Where.
        at: String,
    },
}

/// How one agent answers on the wire: its schema there, and the way back.
#[derive(Clone, Debug)]
pub struct Wire {
    schema: Value,
    numbers: Vec<Whole>,
    /// The whole schema as text, by [`Form`]: the same in every question of an agent.
    written: [OnceLock<Box<str>>; 2],
}

/// A form in which a schema is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Bounds are keywords.
    Neutral,
    /// Bounds stand in descriptions.
    Claude,
}

/// A number of the answer.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    path: Vec<Place>,
    parameter: &'static str,
    /// How many of the wire's units are one.
    scale: u32,
    /// The smallest and the largest that is not refused, in the wire's units.
    sane: (i64, i64),
}

/// One step towards a number.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Field(String),
    EachItem,
}

impl Wire {
    /// What an agent's answer looks like on the wire under the limits in force.
    ///
    /// # Errors
    /// As [`Wire::new`].
    pub fn of<B>(entry: &Entry<B>, limits: &Limits) -> Result<Self, SchemaError> {
        Self::new(&(entry.schema)().to_value(), &limits.bounds)
    }

    /// What an answer of a schema looks like on the wire.
    ///
    /// # Errors
    /// When a number names no bound, or the schema has a form that is not known here.
    pub fn new(schema: &Value, bounds: &BoundsTable) -> Result<Self, SchemaError> {
        let mut shaper = Shaper { whole: schema, bounds, path: Vec::new(), numbers: Vec::new() };
        let schema = shaper.shape(schema, 0)?;
        Ok(Self { schema, numbers: shaper.numbers, written: [const { OnceLock::new() }; 2] })
    }

    /// The text of the whole schema in one form, which is written at the first time.
    pub(super) fn written(&self, form: Form, write: impl FnOnce() -> Value) -> &str {
        let text = match form {
            Form::Neutral => &self.written[0],
            Form::Claude => &self.written[1],
        };
        text.get_or_init(|| write().to_string().into())
    }

    /// The schema of the answer on the wire, in no provider's dialect yet.
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// The text of the agent's own answer type for an answer as it came over the wire.
    ///
    /// What is missing, of another type or unknown is left to the agent's own strict reader.
    ///
    /// # Errors
    /// When a number is not whole, far beyond its bound, or of a sign that its bound does not have.
    pub fn decode(&self, mut answer: Value) -> Result<String, ConsultError> {
        for number in &self.numbers {
            walk(&mut answer, &number.path, &mut |leaf| number.decode(leaf))?;
        }
        Ok(answer.to_string())
    }

    /// An answer of the agent's own type as a model would write it: for fakes in tests. Numbers out of
    /// bounds stay out of bounds.
    #[cfg(any(test, feature = "testkit"))]
    #[must_use]
    pub fn encode(&self, mut answer: Value) -> Value {
        for number in &self.numbers {
            let scale = f64::from(number.scale);
            let encoded = walk(&mut answer, &number.path, &mut |leaf| {
                if let Some(value) = leaf.as_f64() {
                    *leaf = json!(nearest(value * scale));
                }
                Ok(())
            });
            debug_assert!(encoded.is_ok());
        }
        answer
    }
}

impl PartialEq for Wire {
    fn eq(&self, other: &Self) -> bool {
        // What was written already is made of these.
        self.schema == other.schema && self.numbers == other.numbers
    }
}

/// Does something with every value at a path; a path that leads nowhere does nothing.
fn walk(
    value: &mut Value,
    path: &[Place],
    act: &mut dyn FnMut(&mut Value) -> Result<(), ConsultError>,
) -> Result<(), ConsultError> {
    match (path.split_first(), value) {
        (None, value) => act(value),
        (Some((Place::Field(name), rest)), Value::Object(fields)) => {
            fields.get_mut(name).map_or(Ok(()), |field| walk(field, rest, act))
        }
        (Some((Place::EachItem, rest)), Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| walk(item, rest, act))
        }
        _ => Ok(()),
    }
}

impl Whole {
    fn decode(&self, leaf: &mut Value) -> Result<(), ConsultError> {
        // Of another type: the agent's reader says so in its own words.
        let Value::Number(number) = &*leaf else { return Ok(()) };
        let refuse = |why: &str| {
            let shown: String = number.to_string().chars().take(24).collect();
            let why = format!("`{}` is {shown}, {why}", self.parameter);
            Err(ConsultError::Unreadable { why })
        };
        // Minus zero is a float to the JSON reader, and a whole number to everybody else.
        let is_minus_zero = number.as_f64().is_some_and(|it| it.to_bits() == (-0.0_f64).to_bits());
        let units = if is_minus_zero { Some(0) } else { number.as_i64() };
        let Some(units) = units else { return refuse("which is not a whole number") };
        let (least, most) = self.sane;
        match i32::try_from(units) {
            Ok(units) if (least..=most).contains(&i64::from(units)) => {
                *leaf = json!(f64::from(units) / f64::from(self.scale));
                Ok(())
            }
            _ => refuse("which is beyond every bound"),
        }
    }
}

/// How many of the wire's units are one; `None` for a parameter that never stands on the wire.
fn scale(parameter: &str) -> Option<u32> {
    match parameter {
        "limit_offset_bp" => Some(1),
        "confidence"
        | "confidence_multiplier"
        | "size_multiplier"
        | "lr_multiplier"
        | "entropy_multiplier"
        | "batch_multiplier" => Some(1_000),
        "stop_distance" | "target_distance" | "reward_weight_delta" | "score_weight_delta" => {
            Some(10_000)
        }
        _ => None,
    }
}

/// The unit of a scale in words.
const fn unit(scale: u32) -> &'static str {
    match scale {
        1_000 => "Written as a whole number of thousandths.",
        10_000 => "Written as a whole number of ten-thousandths.",
        _ => "Written as a whole number.",
    }
}

/// The nearest whole number; what no `i64` can hold becomes its end.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and bounds are small")]
fn nearest(value: f64) -> i64 {
    value.round() as i64
}

/// The whole numbers of the wire within a bound. An interval without any is given its nearest one; the
/// clamp has the last word.
fn range(bounds: &Bounds, scale: u32) -> (i64, i64) {
    let (low, high) = (bounds.min() * f64::from(scale), bounds.max() * f64::from(scale));
    // 0.29 × 1000 is 290 but for the noise of floats: such a bound keeps its own end.
    let inward = |value: f64, rounded: f64| {
        if (value - value.round()).abs() < 1e-6 { nearest(value) } else { nearest(rounded) }
    };
    let (least, most) = (inward(low, low.ceil()), inward(high, high.floor()));
    if least <= most { (least, most) } else { (nearest(low), nearest(low)) }
}

/// The whole numbers that are not refused, around the hard bound.
fn sane(hard: &Bounds, scale: u32) -> (i64, i64) {
    let reach = hard.min().abs().max(hard.max().abs()) * f64::from(scale) * SANE_TIMES;
    let least = if hard.min() < 0.0 { nearest(-reach) } else { 0 };
    (least, nearest(reach))
}

/// A schema on its way to the wire.
struct Shaper<'a> {
    whole: &'a Value,
    bounds: &'a BoundsTable,
    path: Vec<Place>,
    numbers: Vec<Whole>,
}

impl Shaper<'_> {
    fn at(&self) -> String {
        let step = |place: &Place| match place {
            Place::Field(name) => format!("/{name}"),
            Place::EachItem => "/*".to_owned(),
        };
        self.path.iter().map(step).collect()
    }

    fn shape(&mut self, schema: &Value, depth: usize) -> Result<Value, SchemaError> {
        if depth > DEPTH_MAX {
            return Err(SchemaError::TooDeep { at: self.at() });
        }
        let told = schema["description"].as_str();
        let target = match schema["$ref"].as_str() {
            Some(path) => self
                .whole
                .pointer(path.trim_start_matches('#'))
                .ok_or_else(|| SchemaError::Unknown { at: self.at() })?,
            None => schema,
        };
        // What refers to something says more of it than the thing itself.
        let told = told.or_else(|| target["description"].as_str()).unwrap_or_default();
        if !target["$ref"].is_null() {
            return self.shape(target, depth + 1);
        }
        if let Some(words) = words(target, told) {
            return Ok(words);
        }
        match target["type"].as_str() {
            Some("object") => self.object(target, told, depth),
            Some("array") => {
                self.path.push(Place::EachItem);
                let items = self.shape(&target["items"], depth + 1)?;
                self.path.pop();
                Ok(described(json!({"type": "array", "items": items}), told))
            }
            Some("number" | "integer") => self.number(&schema["x-bound"], told),
            Some(kind @ ("string" | "boolean")) => Ok(described(json!({"type": kind}), told)),
            _ => Err(SchemaError::Unknown { at: self.at() }),
        }
    }

    /// An object with its fields, closed: each field is demanded, no other is taken.
    fn object(&mut self, target: &Value, told: &str, depth: usize) -> Result<Value, SchemaError> {
        let Some(fields) = target["properties"].as_object() else {
            return Err(SchemaError::Unknown { at: self.at() });
        };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, field) in fields {
            self.path.push(Place::Field(name.clone()));
            properties.insert(name.clone(), self.shape(field, depth + 1)?);
            self.path.pop();
            required.push(json!(name));
        }
        let object = json!({"type": "object", "properties": properties, "required": required,
            "additionalProperties": false});
        Ok(described(object, told))
    }

    fn number(&mut self, bound: &Value, told: &str) -> Result<Value, SchemaError> {
        let Some(name) = bound.as_str() else {
            return Err(SchemaError::Unbounded { at: self.at() });
        };
        let known = (self.bounds.named(name), BoundsTable::HARD.named(name), scale(name));
        let (Some(live), Some(hard), Some(scale)) = known else {
            return Err(SchemaError::NoSuchBound { at: self.at(), name: name.to_owned() });
        };
        let (least, most) = range(live, scale);
        let (parameter, sane) = (live.parameter(), sane(hard, scale));
        self.numbers.push(Whole { path: self.path.clone(), parameter, scale, sane });
        let told = match (told, scale) {
            (told, 1) => format!("{told} {}", unit(scale)),
            (told, scale) => format!("{told} {} {scale} means 1.", unit(scale)),
        };
        let number = json!({"type": "integer", "minimum": least, "maximum": most});
        Ok(described(number, told.trim()))
    }
}

/// A choice of words, each with its meaning, as one enumeration; `None` for what is no such choice.
fn words(target: &Value, told: &str) -> Option<Value> {
    if let Some(words) = target["enum"].as_array() {
        return Some(described(json!({"type": "string", "enum": words}), told));
    }
    let choices = target["oneOf"].as_array().or_else(|| target["anyOf"].as_array())?;
    let (mut words, mut told) = (Vec::new(), told.to_owned());
    for choice in choices {
        // One choice may hold several words without meanings of their own.
        let several = choice["enum"].as_array();
        for word in
            several.map_or_else(|| vec![&choice["const"]], |several| several.iter().collect())
        {
            let word = word.as_str()?;
            if let Some(meaning) = choice["description"].as_str() {
                told.extend([" ", word, ": ", meaning]);
            }
            words.push(json!(word));
        }
    }
    Some(described(json!({"type": "string", "enum": words}), told.trim()))
}

/// A schema with a description on one line, where there is one.
fn described(mut schema: Value, told: &str) -> Value {
    if !told.is_empty() {
        schema["description"] = json!(told.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    schema
}

#[cfg(test)]
mod tests;
