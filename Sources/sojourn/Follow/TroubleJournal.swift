/// Which troubles are told: each once until things are well again, and all of them again now and then, so that a log
/// neither is silent about an etcd that is down nor grows by a line for every attempt.
struct TroubleJournal {
    /// At one attempt in 5 to 10 s, the longest pause, some ten minutes.
    static let repetitionCount = 80

    private var told: Set<String> = []
    private var count = 0

    /// - Returns: whether to tell it.
    mutating func add(_ text: String) -> Bool {
        count += 1
        if count > Self.repetitionCount {
            count = 1
            told = []
        }
        return told.insert(text).inserted
    }

    /// - Returns: whether there was any.
    mutating func clear() -> Bool {
        defer {
            told = []
            count = 0
        }
        return count > 0
    }
}
