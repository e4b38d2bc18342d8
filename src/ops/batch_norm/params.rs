//! How a picture's rows and channels are laid over a workgroup's lanes, and the uniform structs that say so.

crate::uniform! {
    /// Uniform of all kernels of the room; each reads the fields it needs.
    pub struct Params {
        /// Rows of one image: N * H * W for batch norm.
        rows: u32,
        /// Channels.
        channels: u32,
        /// Channels that one workgroup takes.
        lane_channels: u32,
        /// Rows that one workgroup reads at a time.
        lane_rows: u32,
        /// Largest power of two below `lane_rows`.
        half_rows: u32,
        /// Chunks of rows.
        chunks: u32,
        /// Rows in a chunk.
        chunk_rows: u32,
        /// Added to the variance.
        eps: f32,
        /// Weight of the batch in the running statistics.
        momentum: f32,
        /// Factor of the batch's variance on its way into the running one.
        variance_scale: f32,
        /// Whether the kernel is given variances instead of 1 / standard deviation.
        from_variance: u32,
        /// Slope of the rectifier below zero; 1 for none.
        leak: f32,
    }
}

crate::uniform! {
    /// Uniform of the kernels over the pictures that count: the same lanes, and which rows make a picture.
    pub struct CountedParams {
        /// Rows in all: N * H * W.
        rows: u32,
        /// Channels.
        channels: u32,
        /// Channels that one workgroup takes.
        lane_channels: u32,
        /// Rows that one workgroup reads at a time.
        lane_rows: u32,
        /// Largest power of two below `lane_rows`.
        half_rows: u32,
        /// Chunks of rows.
        chunks: u32,
        /// Rows in a chunk.
        chunk_rows: u32,
        /// Pictures: N.
        pictures: u32,
        /// Rows of one picture: H * W.
        picture_rows: u32,
        /// Added to the variance.
        eps: f32,
        /// Weight of the batch in the running statistics.
        momentum: f32,
        /// Whether the running variance takes the unbiased one.
        unbiased: u32,
    }
}

/// Most chunks a reduction is cut into: enough to fill a large card, few enough for one workgroup to merge.
const MAX_CHUNKS: usize = 256;

impl Params {
    /// Lanes for (rows, channels), cut into chunks of at least `steps` rows per lane, `most` chunks in all.
    fn new(rows: usize, channels: usize, steps: usize, most: usize) -> Self {
        let tiles = channels.div_ceil(64);
        let lane_channels = channels.div_ceil(tiles);
        let lane_rows = 256 / lane_channels;
        let chunk_rows = lane_rows * steps.max(rows.div_ceil(lane_rows * most));
        Self {
            rows: rows as u32,
            channels: channels as u32,
            lane_channels: lane_channels as u32,
            lane_rows: lane_rows as u32,
            half_rows: (lane_rows.next_power_of_two() / 2) as u32,
            chunks: rows.div_ceil(chunk_rows) as u32,
            chunk_rows: chunk_rows as u32,
            ..Default::default()
        }
    }

    /// For a reduction over the rows of each channel.
    pub fn reduction(rows: usize, channels: usize) -> Self {
        Self::reduction_of(rows, channels, 16)
    }

    /// For a reduction over the rows of each channel, at least `steps` rows to a lane.
    pub fn reduction_of(rows: usize, channels: usize, steps: usize) -> Self {
        Self::new(rows, channels, steps, MAX_CHUNKS)
    }

    /// For work on each element alone.
    pub fn elementwise(rows: usize, channels: usize) -> Self {
        Self::elementwise_of(rows, channels, 8)
    }

    /// For work on each element alone, `steps` rows to a lane.
    pub fn elementwise_of(rows: usize, channels: usize, steps: usize) -> Self {
        Self::new(rows, channels, steps, usize::MAX / 256)
    }

    /// The same chunks of `rows` rows for lanes that take `lanes` neighbouring channels each.
    pub fn in_lanes(&self, lanes: u32) -> Self {
        let Self { channels, lane_channels, lane_rows, half_rows, .. } =
            Self::new(1, (self.channels / lanes) as usize, 1, 1);
        Self { channels, lane_channels, lane_rows, half_rows, ..*self }
    }

    /// Workgroups over the channels.
    pub fn tiles(&self) -> u32 {
        self.channels.div_ceil(self.lane_channels)
    }

    /// Bytes of the partial results of `images` images.
    pub fn partial_bytes(&self, images: usize) -> u64 {
        images as u64 * u64::from(self.chunks) * u64::from(self.channels) * 8
    }
}

impl CountedParams {
    /// The lanes of `all`, whose rows are those of `pictures` pictures.
    pub fn new(all: &Params, pictures: usize) -> Self {
        let Params { rows, channels, lane_channels, lane_rows, half_rows, chunks, chunk_rows, .. } = *all;
        let pictures = pictures as u32;
        let picture_rows = rows / pictures;
        let lanes =
            Self { rows, channels, lane_channels, lane_rows, half_rows, chunks, chunk_rows, ..Default::default() };
        Self { pictures, picture_rows, ..lanes }
    }
}
