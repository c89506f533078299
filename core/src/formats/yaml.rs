//! YAML as programs of networks are set up with it: values, each with its line.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser};

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its first line, counted from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is. One that an alias stands for is shared, so a text of any size stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, a number, a truth value, as it is written.
    Scalar(String),
    /// Values in order.
    List(Vec<Rc<Node>>),
    /// Values by name, in order. The last one of a name counts.
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// Returns the value of a name in a map.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().rev().find(|it| it.0 == name).map(|it| it.1)
    }

    /// Returns the value at the end of some names, each in the map of the one before.
    pub fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// Returns the names and values of a map; none of what is no map.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (&str, &Self)> {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Scalar(_) | Value::List(_) => &[],
        };
        entries.iter().map(|(name, node)| (name.as_str(), node.as_ref()))
    }

    /// Returns the values of a list, or the one that stands in its place.
    pub fn items(&self) -> Vec<&Self> {
        match &self.value {
            Value::List(items) => items.iter().map(Rc::as_ref).collect(),
            Value::Scalar(_) | Value::Map(_) => vec![self],
        }
    }

    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// A list or map whose end has not come yet.
struct Open {
    line: usize,
    anchor: usize,
    is_map: bool,
    /// Of a map, the name of the value to come.
    name: Option<String>,
    list: Vec<Rc<Node>>,
    map: Vec<(String, Rc<Node>)>,
}

impl Open {
    fn closed(self) -> Rc<Node> {
        let value = if self.is_map { Value::Map(self.map) } else { Value::List(self.list) };
        Rc::new(Node { line: self.line, value })
    }

    fn take(&mut self, node: Rc<Node>) {
        if !self.is_map {
            self.list.push(node);
            return;
        }
        match self.name.take() {
            Some(name) => self.map.push((name, node)),
            // No program of networks has a name that is no text.
            None => self.name = Some(node.text().unwrap_or_default().to_owned()),
        }
    }
}

/// Reads the documents of a text. One that is no YAML from some place on is read up to there.
pub fn parse(text: &str) -> Vec<Rc<Node>> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let line = span.start.line();
        let (node, anchor) = match event {
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(Open { line, anchor, is_map, name: None, list: Vec::new(), map: Vec::new() });
                continue;
            }
            Event::Scalar(text, _, anchor, _) => {
                (Rc::new(Node { line, value: Value::Scalar(text.into_owned()) }), anchor)
            }
            Event::Alias(anchor) => {
                let nothing = || Rc::new(Node { line, value: Value::Scalar(String::new()) });
                (anchors.get(&anchor).cloned().unwrap_or_else(nothing), 0)
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(done) = open.pop() else { break };
                let anchor = done.anchor;
                (done.closed(), anchor)
            }
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            Some(around) => around.take(node),
            None => documents.push(node),
        }
    }
    while let Some(unfinished) = open.pop() {
        let node = unfinished.closed();
        match open.last_mut() {
            Some(around) => around.take(node),
            None => documents.push(node),
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::{Node, parse};

    fn at<'a>(node: &'a Node, names: &[&str]) -> Option<(&'a str, usize)> {
        let node = node.at(names)?;
        Some((node.text()?, node.line))
    }

    #[test]
    fn a_value_is_found_in_either_style_with_its_line() {
        let block =
            parse("# a\nnetwork:\n  ethernets:\n    lan: &lan\n      count: 8 # eight\n    wan: *lan\n");
        assert_eq!(at(&block[0], &["network", "ethernets", "lan", "count"]), Some(("8", 5)));
        assert_eq!(at(&block[0], &["network", "ethernets", "wan", "count"]), Some(("8", 5)));
        let flow =
            parse("network: {ethernets: {lan: {match: {name: \"eth*\"},\n  names: [a, b], on: yes}}}\n");
        assert_eq!(at(&flow[0], &["network", "ethernets", "lan", "match", "name"]), Some(("eth*", 1)));
        let lan = flow[0].at(&["network", "ethernets", "lan"]).unwrap();
        let names: Vec<_> = lan.get("names").unwrap().items().iter().filter_map(|it| it.text()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(at(lan, &["on"]), Some(("yes", 2)));
    }

    #[test]
    fn what_stands_before_an_error_counts() {
        let broken = parse("a: 1\nb:\n  c: 2\n  d: [3\n");
        assert_eq!(at(&broken[0], &["b", "c"]), Some(("2", 3)));
        assert!(parse("").is_empty());
        // Aliases of aliases are shared.
        let laughs: String =
            (1..40).map(|it| format!("a{it}: &a{it} [*a{}, *a{}]\n", it - 1, it - 1)).collect();
        assert_eq!(parse(&format!("a0: &a0 x\n{laughs}")).len(), 1);
    }
}
