//! What nvidia-smi prints: its table, `-q` as text and XML, tables of properties, the links between GPUs.

mod csv;
mod matrix;
mod monitor;
mod nvlink;
mod query;
mod table;
#[cfg(test)]
mod tests;
mod xml;

pub use csv::Csv;
pub use matrix::Matrix;
pub use monitor::Monitor;
pub use nvlink::Links;
pub use query::Query;
pub use table::Table;
pub use xml::Xmls;
