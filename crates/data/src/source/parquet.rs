//! Tables by columns: of each the pages of one column, or two, are read and unpacked one after another.
//!
//! The parquet crate decodes pages; they are unpacked here, where what comes out of a page is bounded by what went in. Its
//! own unpacking trusts the sizes that a page states.

use std::io::{self, Read};
use std::sync::Arc;

use parquet::basic::{Compression, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::key::Key;
use super::pieces::{field, normalized};
use super::unpack::{check_growth, most_from};
use crate::guard::guarded;

/// A page has no more bytes.
const MOST_OF_PAGE: usize = 512 << 20;

/// Reads a table row by row.
pub(super) struct Parquet<F> {
    file: Arc<F>,
    size: u64,
    metadata: ParquetMetaData,
    /// The columns that may hold the story, in the order in which they are looked at.
    columns: Vec<usize>,
    /// Groups of rows that were begun.
    group: usize,
    readers: Vec<ColumnReaderImpl<ByteArrayType>>,
    /// Rows read so far.
    rows: u64,
    /// Bytes that they had together.
    bytes: u64,
    pub(super) empty: u64,
}

impl<F: ChunkReader + 'static> Parquet<F> {
    /// A reader of the table in `file`, of `size` bytes.
    pub(super) fn new(file: F, size: u64, key: Key) -> Result<Self, String> {
        let metadata = library(|| ParquetMetaDataReader::new().parse_and_finish(&file))?;
        let columns = library(|| Ok(columns(&metadata, key)))??;
        let (file, readers) = (Arc::new(file), Vec::new());
        Ok(Self { file, size, metadata, columns, group: 0, readers, rows: 0, bytes: 0, empty: 0 })
    }

    /// The next story that is not empty, without its surrounding white space. Rows that hold none are counted.
    pub(super) fn next_story(&mut self) -> Result<Option<String>, String> {
        while let Some(values) = library(|| self.next_row())? {
            self.rows += 1;
            self.bytes += 1 + values.iter().flatten().map(|value| value.len() as u64).sum::<u64>();
            check_growth(self.bytes, self.size)?;
            for value in values.iter().flatten() {
                let text = field(value.data());
                let story = normalized(text.map_err(|guess| format!(", row {}: not UTF-8{guess}", self.rows))?);
                if !story.is_empty() {
                    return Ok(Some(story));
                }
            }
            self.empty += 1;
        }
        Ok(None)
    }

    /// What each column holds in the next row; none behind the last.
    fn next_row(&mut self) -> ParquetResult<Option<Vec<Option<ByteArray>>>> {
        loop {
            let values = self.readers.iter_mut().map(next_value).collect::<ParquetResult<Vec<_>>>()?;
            let there = values.iter().flatten().count();
            if there > 0 && there == self.columns.len() {
                return Ok(Some(values.into_iter().flatten().collect()));
            }
            if there > 0 {
                return Err(ParquetError::General("its columns have different numbers of rows".to_owned()));
            }
            if self.group == self.metadata.num_row_groups() {
                return Ok(None);
            }
            self.readers = self.columns.iter().map(|column| self.reader(*column)).collect::<ParquetResult<_>>()?;
            self.group += 1;
        }
    }

    /// A reader of a column in the current group of rows.
    fn reader(&self, column: usize) -> ParquetResult<ColumnReaderImpl<ByteArrayType>> {
        let chunk = self.metadata.row_group(self.group).column(column);
        // Its pages come as they are in the file.
        let packed = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(Arc::clone(&self.file), &packed, 0, None)?;
        let pages = Unpacking { pages, packing: packing(chunk)? };
        Ok(ColumnReaderImpl::new(chunk.column_descr_ptr(), Box::new(pages)))
    }

    /// About how many bytes of the file were read so far.
    pub(super) fn consumed(&self) -> u64 {
        let rows = self.metadata.file_metadata().num_rows().max(1) as f64;
        (self.size as f64 * (self.rows as f64 / rows).min(1.0)) as u64
    }

    pub(super) fn file(&self) -> &F {
        &self.file
    }
}

/// What `work` with the library gives, a panic of it being an error.
fn library<T>(work: impl FnOnce() -> ParquetResult<T>) -> Result<T, String> {
    guarded("parquet", || Ok(work()?)).map_err(|error| match error.strip_prefix("Parquet error: ").unwrap_or(&error) {
        own if own.starts_with([' ', ':', ',']) => own.to_owned(),
        other => format!(": as a Parquet file it is damaged or cut short: {other}"),
    })
}

/// The columns that may hold the story.
fn columns(metadata: &ParquetMetaData, key: Key) -> Result<Vec<usize>, String> {
    let schema = metadata.file_metadata().schema_descr();
    let name = |column: usize| schema.column(column).path().string();
    let wanted = |wanted: &&str| (0..schema.num_columns()).find(|column| name(*column) == *wanted);
    let columns: Vec<usize> = key.names().iter().filter_map(wanted).collect();
    if columns.is_empty() {
        let names: Vec<String> = (0..schema.num_columns()).map(name).collect();
        let hint = key.nearest(names.iter().map(String::as_str));
        return Err(format!(": no column is called {}{hint}", key.expected()));
    }
    for column in &columns {
        let found = schema.column(*column);
        let what = match found.physical_type() {
            _ if found.max_rep_level() > 0 => "lists".to_owned(),
            Type::BYTE_ARRAY => continue,
            other => other.to_string(),
        };
        return Err(format!(": column {:?} holds {what}; expected a string in each row", name(*column)));
    }
    Ok(columns)
}

/// The next value of a column, which may be null; none behind the last.
fn next_value(reader: &mut ColumnReaderImpl<ByteArrayType>) -> ParquetResult<Option<Option<ByteArray>>> {
    let (mut values, mut levels) = (Vec::with_capacity(1), Vec::with_capacity(1));
    let (rows, _, _) = reader.read_records(1, Some(&mut levels), None, &mut values)?;
    Ok((rows > 0).then(|| values.pop()))
}

/// What the pages of a column are packed with.
#[derive(Debug, Clone, Copy)]
enum Packing {
    None,
    Snappy,
    Gzip,
    Zstd,
}

fn packing(chunk: &ColumnChunkMetaData) -> ParquetResult<Packing> {
    Ok(match chunk.compression() {
        Compression::UNCOMPRESSED => Packing::None,
        Compression::SNAPPY => Packing::Snappy,
        Compression::GZIP(_) => Packing::Gzip,
        Compression::ZSTD(_) => Packing::Zstd,
        other => {
            let message = format!(": its pages are packed with {other}; expected none, snappy, gzip or zstd");
            return Err(ParquetError::General(message));
        }
    })
}

impl Packing {
    /// What `packed` holds.
    fn unpack(self, packed: &[u8]) -> ParquetResult<Vec<u8>> {
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        let most = MOST_OF_PAGE.min(most_from(packed.len()));
        let unpacked = match self {
            Self::None => Ok(packed.to_vec()),
            Self::Gzip => read_most(flate2::read::MultiGzDecoder::new(packed), most),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(packed).and_then(|decoder| read_most(decoder, most)),
            Self::Snappy => match snap::raw::decompress_len(packed) {
                // What is too long is not made room for; that it is, is all that counts.
                Ok(length) if length > most => Ok(vec![0; most + 1]),
                Ok(_) => snap::raw::Decoder::new().decompress_vec(packed).map_err(io::Error::from),
                Err(error) => Err(error.into()),
            },
        };
        let unpacked = unpacked.map_err(|error| ParquetError::General(format!("a page is damaged: {error}")))?;
        if unpacked.len() > most {
            let message = format!(
                ": a page of {} bytes holds more than {} MB when it is unpacked: not read any further",
                packed.len(),
                most >> 20
            );
            return Err(ParquetError::General(message));
        }
        Ok(unpacked)
    }
}

/// What `from` gives, and a byte more than `most` where that is too little.
fn read_most(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Unpacks the pages of a column.
struct Unpacking<F: ChunkReader> {
    pages: SerializedPageReader<F>,
    packing: Packing,
}

impl<F: ChunkReader> Unpacking<F> {
    fn unpacked(&self, mut page: Page) -> ParquetResult<Page> {
        match &mut page {
            _ if matches!(self.packing, Packing::None) => {}
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = self.packing.unpack(buf)?.into(),
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
                // Levels stand before what is packed.
                let levels = def_levels_byte_len.saturating_add(*rep_levels_byte_len) as usize;
                let Some((levels, packed)) = buf.split_at_checked(levels) else {
                    return Err(ParquetError::General("a page has more levels than bytes".to_owned()));
                };
                *buf = [levels, &self.packing.unpack(packed)?].concat().into();
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(page)
    }
}

impl<F: ChunkReader + 'static> Iterator for Unpacking<F> {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<F: ChunkReader + 'static> PageReader for Unpacking<F> {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.unpacked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }
}
