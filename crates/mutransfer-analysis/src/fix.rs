//! What kind of step mends an error.

/// What to do about an error. Most steps are the same for every user; those that depend on how the
/// library is called are named only, and a front end words them: as a flag, or as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fix {
    /// Do this; a clause without a full stop.
    Do(&'static str),
    /// Say which columns play which part: see [`Columns`](crate::Columns).
    NameColumns,
    /// Keep only the rows with one value of a column, or make it the axis, or, if it is a result
    /// and no setting, leave it out of account.
    Separate {
        /// The column.
        column: String,
        /// One of its values.
        value: String,
    },
    /// Give repetitions seeds of their own, or name the column that has them; or remove a stale
    /// row, or keep the rows with one value of a column that tells them apart.
    Repetitions,
    /// Each of these.
    All(Vec<Fix>),
    /// Ask for rows that there are.
    ChangeFilter,
    /// Say which module is the readout, or that none was measured.
    NameReadout,
    /// Say which module is the embedding or first layer, or that none was measured.
    NameEmbedding,
    /// Say the width of a file that is of one, or write it into a column `width`.
    NameWidth,
    /// Name a rule that is known, in the table or for it.
    NameRule,
}
