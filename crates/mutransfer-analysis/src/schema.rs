//! The schemas that users read are those of the types. `UPDATE=1 cargo test -p mutransfer-analysis
//! schema` writes them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::tell::judgement::Judgement;
use crate::transfer::analysis::Analysis;

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>().into()
}

#[test]
fn schema_pages_are_those_of_the_types() {
    let pages = [
        ("analysis", schema_of::<Analysis>()),
        ("summary", schema_of::<Judgement>()),
    ];
    for (name, schema) in pages {
        let text = serde_json::to_string_pretty(&schema).expect("plain data") + "\n";
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let path = format!("{folder}/{name}.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("docs can be written");
        }
        let page = std::fs::read_to_string(&path).expect("the schema is there");
        assert_eq!(page, text, "{path} is stale");
    }
}
