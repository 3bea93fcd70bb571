//! Map: a flow for every item of an array.

use super::{Common, Reading, StateKind};
use crate::machine::FlowId;
use crate::reader::Reader;
use crate::template::Template;

/// A Map state.
#[derive(Debug)]
pub struct Map {
    /// `Items`; the state's input when absent.
    pub items: Option<Template>,
    /// `ItemSelector`: what an iteration gets; the item itself when absent.
    pub item_selector: Option<Template>,
    /// `ItemProcessor`.
    pub processor: FlowId,
    /// `MaxConcurrency`; 0 is no limit.
    pub max_concurrency: Option<Template>,
    /// `ToleratedFailureCount`.
    pub tolerated_failure_count: Option<Template>,
    /// `ToleratedFailurePercentage`.
    pub tolerated_failure_percentage: Option<Template>,
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    reading.needs_jsonata();
    let language = reading.language;
    let most = f64::from(u32::MAX);
    let items = reading.template("Items");
    if let Some(constant) = items.as_ref().and_then(Template::constant)
        && !constant.is_array()
    {
        reading.report.schema(
            &reading.reader.at("Items"),
            "Value is not an array or a JSONata expression",
        );
    }
    let item_selector = reading.template("ItemSelector");
    let mut limit = |name, most| {
        reading.reader.numeric(
            name,
            0.0..=most,
            name != "ToleratedFailurePercentage",
            language,
            reading.report,
        )
    };
    let max_concurrency = limit("MaxConcurrency", most);
    let tolerated_failure_count = limit("ToleratedFailureCount", most);
    let tolerated_failure_percentage = limit("ToleratedFailurePercentage", 100.0);
    let processor = read_processor(reading);
    let map = Map {
        items,
        item_selector,
        processor,
        max_concurrency,
        tolerated_failure_count,
        tolerated_failure_percentage,
    };
    let common = Common {
        transition: true,
        output: true,
        assign: true,
        handlers: true,
    };
    (StateKind::Map(map), common)
}

fn read_processor(reading: &mut Reading<'_, '_, '_, '_>) -> FlowId {
    reading.reader.require("ItemProcessor", reading.report);
    let location = reading.reader.at("ItemProcessor");
    let Some(value) = reading.reader.value("ItemProcessor") else {
        return FlowId::ROOT;
    };
    let Some(mut reader) = Reader::over(value, location, reading.report) else {
        return FlowId::ROOT;
    };
    reader.text("Comment", reading.report);
    if let Some(value) = reader.value("ProcessorConfig")
        && let Some(mut config) = Reader::over(value, reader.at("ProcessorConfig"), reading.report)
    {
        if let Some(mode) = config.text("Mode", reading.report)
            && mode != "INLINE"
        {
            reading.report.schema(
                &config.at("Mode"),
                "The field 'Mode' should have one of these values: [INLINE]; DISTRIBUTED is not supported yet",
            );
        }
        config.finish(reading.report);
    }
    let id = reading
        .builder
        .flow(&mut reader, reading.language, reading.report);
    reader.finish(reading.report);
    id
}
