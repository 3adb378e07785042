//! A row as a JSON object, so that templates, chats and paths mean in Parquet what they mean in JSON Lines.
//!
//! Numbers are written as Python's `json` writes them, not-a-number and infinities as null; decimals as numbers; dates
//! and times as ISO 8601, in UTC where they have a time zone; maps as objects; bytes as the string that they are.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowTemporalType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

use super::columns::invalid_utf8;
use crate::error::{Cause, Error, Result, quote};

/// Append the object of a row with these columns.
///
/// # Errors
/// [`Cause::InvalidText`] for bytes that are not UTF-8; [`Cause::TextType`] for a type that JSON has no words for.
pub(in crate::read) fn write_object<'a>(
    columns: impl Iterator<Item = (&'a str, &'a ArrayRef)>,
    row: usize,
    json: &mut Vec<u8>,
) -> Result<()> {
    json.push(b'{');
    for (index, (name, column)) in columns.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_string(name, json)?;
        json.push(b':');
        write_value(column, row, name, json)?;
    }
    json.push(b'}');
    Ok(())
}

fn write_value(array: &dyn Array, row: usize, name: &str, json: &mut Vec<u8>) -> Result<()> {
    if array.is_null(row) {
        json.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => json.extend_from_slice(b"null"),
        DataType::Boolean => {
            json.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" });
        }
        DataType::Utf8 => write_string(array.as_string::<i32>().value(row), json)?,
        DataType::Binary => write_bytes(array.as_binary::<i32>().value(row), name, json)?,
        DataType::FixedSizeBinary(_) => write_bytes(array.as_fixed_size_binary().value(row), name, json)?,
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| field.name().as_str()).zip(array.as_struct().columns());
            write_object(columns, row, json)?;
        }
        DataType::List(_) => write_array(&array.as_list::<i32>().value(row), name, json)?,
        DataType::LargeList(_) => write_array(&array.as_list::<i64>().value(row), name, json)?,
        DataType::FixedSizeList(..) => write_array(&array.as_fixed_size_list().value(row), name, json)?,
        DataType::Map(..) => write_map(&array.as_map().value(row), name, json)?,
        kind if kind.is_numeric() => write_number(array, row, json)?,
        _ => write_time(array, row, name, json)?,
    }
    Ok(())
}

fn write_array(items: &ArrayRef, name: &str, json: &mut Vec<u8>) -> Result<()> {
    json.push(b'[');
    for row in 0..items.len() {
        if row > 0 {
            json.push(b',');
        }
        write_value(items, row, name, json)?;
    }
    json.push(b']');
    Ok(())
}

fn write_map(entries: &arrow_array::StructArray, name: &str, json: &mut Vec<u8>) -> Result<()> {
    let (keys, values) = (entries.column(0), entries.column(1));
    json.push(b'{');
    let mut key = Vec::new();
    for row in 0..entries.len() {
        if row > 0 {
            json.push(b',');
        }
        key.clear();
        write_value(keys, row, name, &mut key)?;
        // The key of an object is a string whatever that of the map is.
        match key.first() {
            Some(b'"') => json.extend_from_slice(&key),
            _ => write_string(&String::from_utf8_lossy(&key), json)?,
        }
        json.push(b':');
        write_value(values, row, name, json)?;
    }
    json.push(b'}');
    Ok(())
}

fn write_number(array: &dyn Array, row: usize, json: &mut Vec<u8>) -> Result<()> {
    fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
        array.as_primitive::<T>().value(row)
    }
    match array.data_type() {
        DataType::Int8 => to_json(&value::<Int8Type>(array, row), json),
        DataType::Int16 => to_json(&value::<Int16Type>(array, row), json),
        DataType::Int32 => to_json(&value::<Int32Type>(array, row), json),
        DataType::Int64 => to_json(&value::<Int64Type>(array, row), json),
        DataType::UInt8 => to_json(&value::<UInt8Type>(array, row), json),
        DataType::UInt16 => to_json(&value::<UInt16Type>(array, row), json),
        DataType::UInt32 => to_json(&value::<UInt32Type>(array, row), json),
        DataType::UInt64 => to_json(&value::<UInt64Type>(array, row), json),
        DataType::Float16 => to_json(&f32::from(value::<Float16Type>(array, row)), json),
        DataType::Float32 => to_json(&value::<Float32Type>(array, row), json),
        DataType::Float64 => to_json(&value::<Float64Type>(array, row), json),
        DataType::Decimal128(..) => {
            json.extend_from_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes());
            Ok(())
        }
        DataType::Decimal256(..) => {
            json.extend_from_slice(array.as_primitive::<Decimal256Type>().value_as_string(row).as_bytes());
            Ok(())
        }
        other => Err(Error::internal(format!("a decoded column has the type {other}"))),
    }
}

fn write_time(array: &dyn Array, row: usize, name: &str, json: &mut Vec<u8>) -> Result<()> {
    let time = match array.data_type() {
        DataType::Date32 => date::<Date32Type>(array, row),
        DataType::Date64 => date::<Date64Type>(array, row),
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array, row),
        DataType::Time32(_) => time::<Time32MillisecondType>(array, row),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array, row),
        DataType::Time64(_) => time::<Time64NanosecondType>(array, row),
        DataType::Timestamp(unit, zone) => {
            let time = match unit {
                TimeUnit::Second => datetime::<TimestampSecondType>(array, row),
                TimeUnit::Millisecond => datetime::<TimestampMillisecondType>(array, row),
                TimeUnit::Microsecond => datetime::<TimestampMicrosecondType>(array, row),
                TimeUnit::Nanosecond => datetime::<TimestampNanosecondType>(array, row),
            };
            time.map(|time| if zone.is_some() { time + "Z" } else { time })
        }
        DataType::Duration(unit) => {
            let count = match unit {
                TimeUnit::Second => array.as_primitive::<DurationSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().value(row),
            };
            return to_json(&count, json);
        }
        other => {
            let message = format!("field {} has the Arrow type {other}, which is no text", quote(name));
            return Err(Error::new(Cause::TextType(message)));
        }
    };
    // None: before or after all years that have a name.
    to_json(&time, json)
}

fn date<T: ArrowTemporalType>(array: &dyn Array, row: usize) -> Option<String>
where
    i64: From<T::Native>,
{
    array.as_primitive::<T>().value_as_date(row).map(|date| format!("{date:?}"))
}

fn time<T: ArrowTemporalType>(array: &dyn Array, row: usize) -> Option<String>
where
    i64: From<T::Native>,
{
    array.as_primitive::<T>().value_as_time(row).map(|time| format!("{time:?}"))
}

fn datetime<T: ArrowTemporalType>(array: &dyn Array, row: usize) -> Option<String>
where
    i64: From<T::Native>,
{
    array.as_primitive::<T>().value_as_datetime(row).map(|time| format!("{time:?}"))
}

fn write_bytes(bytes: &[u8], name: &str, json: &mut Vec<u8>) -> Result<()> {
    let text = std::str::from_utf8(bytes).map_err(|error| invalid_utf8(bytes, error.valid_up_to(), name))?;
    write_string(text, json)
}

fn write_string(text: &str, json: &mut Vec<u8>) -> Result<()> {
    to_json(text, json)
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T, json: &mut Vec<u8>) -> Result<()> {
    let written = serde_json::to_writer(json.by_ref(), value);
    written.map_err(|error| Error::internal(format!("a value cannot be written as JSON: {error}")))
}
