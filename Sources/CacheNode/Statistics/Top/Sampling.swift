import EventLoop
import SessionMap

/// Looking at one request in so many, for `TopLists`. Which ones is left to chance: requests that follow each other in a
/// pattern would otherwise be all of one kind.
extension Executor {
    /// Whether this one is to be looked at. Costs a subtraction and a comparison where it is not.
    @inline(__always)
    func takesSample() -> Bool { requests.isSampleDue() && beginSampling() }

    @inline(never)
    private func beginSampling() -> Bool {
        let interval = context.rules.topSampleInterval
        let wasAwaited = requests.isSampleAwaited
        requests.awaitSample(oneIn: interval)
        // The first of all has come by no chance.
        return interval == 1 || interval > 0 && wasAwaited
    }

    private var weight: UInt64 { UInt64(context.rules.topSampleInterval) }

    /// A hit.
    @inline(never)
    func sampleRead(_ key: Span<UInt8>, now: Moment) {
        var byteCount: Int?
        _ = map.peek(key, now: now.seconds) { byteCount = $0.valueByteCount }
        guard let byteCount else { return }
        requests.tops.noteRead(
            hash(of: key), byteCount: byteCount, weight: weight, second: now.seconds)
    }

    /// What a store that is looked at finds, before it stores.
    struct StoreSample {
        /// Nothing where there is none.
        var oldByteCount: Int?
        var isUnchanged = false
    }

    /// - Parameter value: nothing where it is not at hand: then it counts as changed.
    @inline(never)
    func beginSample(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>?, now: Moment
    ) -> StoreSample {
        var sample = StoreSample()
        _ = map.peek(key, now: now.seconds) { hit in
            sample.oldByteCount = hit.valueByteCount
            guard let value, request.mode == .set || request.mode == .replace else { return }
            sample.isUnchanged = hit.clientFlags == request.clientFlags && hit.holds(value)
        }
        return sample
    }

    @inline(never)
    func endSample(
        _ sample: StoreSample, _ key: Span<UInt8>, _ request: StoreRequest, valueByteCount: Int,
        now: Moment
    ) {
        let id = hash(of: key)
        guard let oldByteCount = sample.oldByteCount else {
            return requests.tops.noteBirth(
                id, byteCount: valueByteCount, by: address, weight: weight, second: now.seconds)
        }
        let isAddition = request.mode == .append || request.mode == .prepend
        requests.tops.noteRewrite(
            id, byteCount: valueByteCount + (isAddition ? oldByteCount : 0),
            oldByteCount: oldByteCount, isUnchanged: sample.isUnchanged, weight: weight,
            second: now.seconds)
    }

    private func hash(of key: Span<UInt8>) -> UInt64 {
        key.withUnsafeBytes { context.idKey.hash($0) }
    }

    /// Whose the connection is, without the port. Asks the kernel.
    private var address: String {
        descriptor < 0 ? "cluster" : SocketAddress.peer(of: descriptor).hostName
    }
}
