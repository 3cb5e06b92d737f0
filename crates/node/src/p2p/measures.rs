//! What the p2p library measures, as this program names it.
//!
//! Messages sent, received and refused for each peer and channel, handshakes refused, peers cut off:
//! a few lines for each peer, read when somebody asks.

use std::fmt::{self, Write as _};

/// What the library's own names begin with, after the context whose clock is steady, and ours.
const OWN: &str = "steady_p2p_";
const OURS: &str = "windlass_p2p_";

/// The lines that are about p2p, of all that the runtime measures. The library writes the format of
/// `OpenMetrics`, where a counter's name has no `_total` and its values' names do; in Prometheus' both
/// have.
pub fn measurements(all: &str) -> String {
    let mut text = String::new();
    let mut help = None;
    for line in all.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let Some(stem) = name.strip_prefix(OWN) else { continue };
            let total = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take().filter(|(named, _)| *named == name) {
                write(&mut text, format_args!("# HELP {OURS}{stem}{total} {words}\n"));
            }
            write(&mut text, format_args!("# TYPE {OURS}{stem}{total} {kind}\n"));
        } else if let Some(rest) = line.strip_prefix(OWN) {
            text.push_str(OURS);
            text.push_str(rest);
            text.push('\n');
        }
    }
    text
}

fn write(text: &mut String, line: fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_p2p_is_kept_and_named_as_ours() {
        let all = "# HELP runtime_tasks tasks.\n# TYPE runtime_tasks gauge\nruntime_tasks 3\n\
                   # HELP steady_p2p_listener_refused Refused.\n# TYPE steady_p2p_listener_refused counter\n\
                   steady_p2p_listener_refused_total{peer=\"a b\"} 2\n\
                   # HELP steady_p2p_connected Up.\n# TYPE steady_p2p_connected gauge\nsteady_p2p_connected 1\n# EOF\n";
        let expect = "# HELP windlass_p2p_listener_refused_total Refused.\n\
                      # TYPE windlass_p2p_listener_refused_total counter\n\
                      windlass_p2p_listener_refused_total{peer=\"a b\"} 2\n\
                      # HELP windlass_p2p_connected Up.\n# TYPE windlass_p2p_connected gauge\n\
                      windlass_p2p_connected 1\n";
        assert_eq!(measurements(all), expect);
    }
}
