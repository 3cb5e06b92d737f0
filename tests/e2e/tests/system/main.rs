//! The whole system: life, faults, governance, bad input and directories, safety of real networks of real processes.

mod budgets;
mod consent;
mod council;
mod crashes;
mod damage;
mod diagnosis;
mod directories;
mod doctor;
mod endpoint_keys;
mod faults;
mod flood;
mod governance;
mod input;
mod joins;
mod keys;
mod knocking;
mod life;
mod local_port;
mod proof;
mod recovery;
mod replaced;
mod run;
mod safety;
mod sleep;
mod support;
mod tour;
