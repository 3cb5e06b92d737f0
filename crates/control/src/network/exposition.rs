//! Measurements of several nodes as one text in [Prometheus' format], where all values of a name stand
//! together and each says of which node it is.
//!
//! [Prometheus' format]: https://prometheus.io/docs/instrumenting/exposition_formats/

use std::fmt::Write as _;

/// What says whether a node told its measurements.
const UP: &str = "windlass_node_up";

/// The values of one name, and what is said about them.
#[derive(Debug, Default)]
struct Family {
    about: Vec<String>,
    samples: Vec<String>,
}

/// The measurements of several nodes.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    up: Vec<(String, u8)>,
    /// In the order in which they came first.
    families: Vec<(String, Family)>,
}

impl Exposition {
    /// Takes a node's measurements.
    pub(crate) fn add(&mut self, node: &str, text: &str) {
        self.up.push((node.to_owned(), 1));
        let mut current = None;
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (Some("HELP" | "TYPE"), Some(name)) = (words.next(), words.next()) else {
                    continue;
                };
                let index = self.family(name);
                current = Some(index);
                let about = &mut self.families[index].1.about;
                if !about.iter().any(|known| known == line) {
                    about.push(line.to_owned());
                }
            } else if let Some(end) = line.find(['{', ' ']) {
                let (name, rest) = line.split_at(end);
                // A histogram's values have names that begin with its own.
                let described = current.filter(|index| name.starts_with(&self.families[*index].0));
                let index = described.unwrap_or_else(|| self.family(name));
                self.families[index].1.samples.push(labelled(name, rest, node));
            }
        }
    }

    /// A node that does not tell its measurements.
    pub(crate) fn add_unreachable(&mut self, node: &str) {
        self.up.push((node.to_owned(), 0));
    }

    /// All of them.
    pub(crate) fn text(&self) -> String {
        let mut text =
            format!("# HELP {UP} 1 where the node told its measurements\n# TYPE {UP} gauge\n");
        let line = "a string takes whatever is written to it";
        for (node, up) in &self.up {
            writeln!(text, "{UP}{{node=\"{node}\"}} {up}").expect(line);
        }
        for (_, family) in &self.families {
            for written in family.about.iter().chain(&family.samples) {
                writeln!(text, "{written}").expect(line);
            }
        }
        text
    }

    fn family(&mut self, name: &str) -> usize {
        let found = self.families.iter().position(|(known, _)| known == name);
        found.unwrap_or_else(|| {
            self.families.push((name.to_owned(), Family::default()));
            self.families.len() - 1
        })
    }
}

/// A value with one label more. Names of nodes are ours: letters, digits and hyphens.
fn labelled(name: &str, rest: &str, node: &str) -> String {
    match rest.strip_prefix('{') {
        Some(labels) if labels.starts_with('}') => format!("{name}{{node=\"{node}\"{labels}"),
        Some(labels) => format!("{name}{{node=\"{node}\",{labels}"),
        None => format!("{name}{{node=\"{node}\"}}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_name_stand_together_and_say_whose_they_are() {
        let mut all = Exposition::default();
        all.add(
            "validator-0",
            "# HELP up Whether.\n# TYPE up gauge\nup 1\n\
             # HELP rtt Time.\n# TYPE rtt gauge\nrtt{peer=\"a b}\"} 0.5\nrtt{} 1\n\
             # TYPE wait histogram\nwait_bucket{le=\"1\"} 2\nwait_sum 3\n# EOF\n",
        );
        all.add_unreachable("validator-1");
        all.add("validator-2", "# HELP rtt Time.\n# TYPE rtt gauge\nrtt{peer=\"c\"} 2\nbare 7\n");
        let expect = "# HELP windlass_node_up 1 where the node told its measurements\n\
             # TYPE windlass_node_up gauge\n\
             windlass_node_up{node=\"validator-0\"} 1\n\
             windlass_node_up{node=\"validator-1\"} 0\n\
             windlass_node_up{node=\"validator-2\"} 1\n\
             # HELP up Whether.\n# TYPE up gauge\nup{node=\"validator-0\"} 1\n\
             # HELP rtt Time.\n# TYPE rtt gauge\n\
             rtt{node=\"validator-0\",peer=\"a b}\"} 0.5\n\
             rtt{node=\"validator-0\"} 1\n\
             rtt{node=\"validator-2\",peer=\"c\"} 2\n\
             # TYPE wait histogram\n\
             wait_bucket{node=\"validator-0\",le=\"1\"} 2\n\
             wait_sum{node=\"validator-0\"} 3\n\
             bare{node=\"validator-2\"} 7\n";
        assert_eq!(all.text(), expect);
    }
}
