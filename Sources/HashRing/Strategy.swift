extension Ring {
    /// A rule of placement, by the name under which configurations know it.
    ///
    /// The names are stable: they stand in cluster definitions.
    public enum Strategy: String, CaseIterable, Hashable, Sendable {
        /// libmemcached's `KETAMA_WEIGHTED`, PHP's `OPT_LIBKETAMA_COMPATIBLE`, pylibmc's
        /// `ketama_weighted`: 160 points for a node of average weight, MD5 for points and keys.
        case ketamaWeighted = "ketama-weighted"
    }
}
