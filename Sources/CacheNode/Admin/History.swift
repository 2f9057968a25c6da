/// What a space's series were: each second of the last minutes, and every ten seconds of the last hours.
///
/// In memory of a fixed size, some 240 KB for a space. Confined to one thread.
struct History {
    /// As long as there are no others, a place is not a number.
    struct Ring {
        let capacity: Int
        private let width: Int
        private var values: [Float]
        private var next = 0
        private(set) var count = 0

        init(capacity: Int, width: Int) {
            (self.capacity, self.width) = (capacity, width)
            values = [Float](repeating: .nan, count: capacity * width)
        }

        mutating func append(_ sample: [Float]) {
            precondition(sample.count == width, "a sample has a value of each series")
            for place in sample.indices { values[next * width + place] = sample[place] }
            next = (next + 1) % capacity
            count = min(count + 1, capacity)
        }

        /// The last ones of one series, the latest at the end.
        func last(_ wanted: Int, of place: Int) -> [Float] {
            let number = min(max(0, wanted), count)
            return (0..<number).map { index in
                let row = (next - number + index + capacity) % capacity
                return values[row * width + place]
            }
        }

        var byteCount: Int { values.count * MemoryLayout<Float>.size }
    }

    static let fineCount = 600
    static let coarseCount = 2_160
    static let coarseSeconds = 10

    private(set) var fine = Ring(capacity: fineCount, width: Series.allCases.count)
    private(set) var coarse = Ring(capacity: coarseCount, width: Series.allCases.count)
    private var waiting = 0

    var byteCount: Int { fine.byteCount + coarse.byteCount }

    /// A second's.
    mutating func append(_ sample: [Float]) {
        fine.append(sample)
        waiting += 1
        guard waiting == Self.coarseSeconds else { return }
        waiting = 0
        coarse.append(
            sample.indices.map { place in
                let known = fine.last(Self.coarseSeconds, of: place).filter { !$0.isNaN }
                return known.isEmpty ? .nan : known.reduce(0, +) / Float(known.count)
            })
    }

    private func known(_ series: Series, lastSeconds seconds: Int) -> [Float] {
        fine.last(seconds, of: SeriesReading.places[series] ?? 0).filter { !$0.isNaN }
    }

    /// How much a counter grew: about, as rates are not quite what was counted in their second; but never nothing where
    /// there was something.
    func sum(_ series: Series, lastSeconds seconds: Int = fineCount) -> Double {
        let sum = known(series, lastSeconds: seconds).reduce(0) { $0 + Double($1) }
        return sum > 0 ? max(1, sum.rounded()) : 0
    }

    func mean(_ series: Series, lastSeconds seconds: Int = fineCount) -> Double? {
        let known = known(series, lastSeconds: seconds)
        return known.isEmpty ? nil : known.reduce(0) { $0 + Double($1) } / Double(known.count)
    }

    /// By how much a gauge grows in a second, over the last ones; nothing before there are enough of them.
    func growth(_ series: Series, lastSeconds seconds: Int = fineCount) -> Double? {
        let known = known(series, lastSeconds: seconds)
        guard known.count >= Self.coarseSeconds, let first = known.first, let last = known.last
        else { return nil }
        return Double(last - first) / Double(known.count - 1)
    }
}
