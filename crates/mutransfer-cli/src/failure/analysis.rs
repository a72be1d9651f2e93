//! What the analyses refuse, and the step that mends it, in flags.

use mutransfer_analysis::{
    CoordinateError, Fix, GrowthError, MonitorError, TableError, TangentError,
};

use super::{FOUND, Failure, USAGE};

impl From<CoordinateError> for Failure {
    fn from(error: CoordinateError) -> Self {
        mended_by(&error.fix(), error.into())
    }
}

impl From<GrowthError> for Failure {
    /// Training that blows up is no mistake of the request.
    fn from(error: GrowthError) -> Self {
        match error {
            GrowthError::TooFew { .. } => {
                let fix = Fix::Do("give two sizes or more, such as --depths 4,8,16, and two seeds");
                mended_by(&fix, error.into())
            }
            GrowthError::NoSize { .. } => Self::with(FOUND, error, Some(BLOWN_UP)),
            _ => anyhow::Error::from(error).into(),
        }
    }
}

/// What to do where large networks overflow.
const BLOWN_UP: &str = "it blew up there: compare smaller sizes, lower --lr, or take norms";

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        mended_by(&error.fix(), error.into())
    }
}

impl From<TangentError> for Failure {
    fn from(error: TangentError) -> Self {
        mended_by(&error.fix(), error.into())
    }
}

impl From<TableError> for Failure {
    /// Names the flag that asked for what the table does not have.
    fn from(error: TableError) -> Self {
        let fix = error.fix();
        let flag = match error {
            TableError::Reference { .. } => "--reference ",
            TableError::Target { .. } => "--target-width ",
            _ => return mended_by(&fix, error.into()),
        };
        mended_by(&fix, anyhow::anyhow!("{flag}{error}"))
    }
}

fn mended_by(fix: &Fix, error: anyhow::Error) -> Failure {
    Failure {
        code: USAGE,
        error,
        hint: step(fix),
    }
}

fn step(fix: &Fix) -> Option<String> {
    Some(match fix {
        Fix::Do(what) => (*what).to_owned(),
        Fix::NameColumns => {
            "--axis, --sweep and --loss name the columns to use [default: width, lr, loss], --rule \
             and --seed those of rule and seed"
                .to_owned()
        }
        Fix::Separate { column, value } => format!(
            "choose with --where {column}={value}, or make it the axis with --axis {column}; if it \
             counts repetitions, --seed {column}; if it is a result and not a setting, --ignore \
             {column}"
        ),
        Fix::Repetitions => {
            "remove the stale row, give repetitions seeds of their own (--seed COLUMN names their \
             column), or keep some of the rows with --where COLUMN=VALUE"
                .to_owned()
        }
        Fix::All(fixes) => fixes.iter().filter_map(step).collect::<Vec<_>>().join("; "),
        Fix::ChangeFilter => "--where COLUMN=VALUE keeps the rows with that value".to_owned(),
        Fix::NameReadout => {
            "--readout NAME says it, and none where it was not measured; or --plan \
                             with the plan that was trained by, or a column `layer` with input, \
                             hidden, output, attention"
                .to_owned()
        }
        Fix::NameEmbedding => "--embedding NAME says it, and none where it was not measured; or \
                               --plan with the plan that was trained by, or a column `layer`"
            .to_owned(),
        Fix::NameWidth => "write it into a column `width`; or give a file for each width as \
                           WIDTH=FILE, such as 64=narrow.csv 128=wide.csv"
            .to_owned(),
        Fix::NameRule => {
            "`mutransfer rules` lists the rules; --rule names that of a table without the column"
                .to_owned()
        }
        // A kind of step that this program does not know yet.
        _ => return None,
    })
}
