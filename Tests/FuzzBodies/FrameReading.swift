#if DEBUG || Fuzzing
    import Cluster
    import Glibc
    import TestSupport

    /// What is read of the bytes that come by one link. Throws when the reader breaks a promise.
    struct FrameReading {
        /// As a node has it whose items have at most 16 KiB.
        static let byteCountMax = FuzzMember.itemByteCountMax + (64 << 10)
        private static let roomByteCount = 8_192

        private var reader = FrameReader(frameByteCountMax: byteCountMax, version: .newest)
        private var came: [UInt8] = []
        private var takenByteCount = 0
        private var waitingByteCountMax = 0
        private var messages: [PeerMessage] = []
        private(set) var error: FrameError?

        /// The messages that are whole now.
        mutating func take(_ bytes: [UInt8]) throws -> [PeerMessage] {
            came += bytes
            reader.append(bytes.span.bytes)
            waitingByteCountMax = max(waitingByteCountMax, reader.waitingByteCount)
            guard reader.capacity <= 4 * waitingByteCountMax + Self.roomByteCount else {
                throw BrokenPromise("\(reader.capacity) bytes for \(waitingByteCountMax)")
            }
            var new: [PeerMessage] = []
            while let message = try next() { new.append(message) }
            messages += new
            return new
        }

        private mutating func next() throws -> PeerMessage? {
            let message: PeerMessage?
            do {
                message = try reader.next()
            } catch {
                guard self.error ?? error == error, reader.waitingByteCount == 0 else {
                    throw BrokenPromise("\(error) is not the end")
                }
                self.error = error
                return nil
            }
            guard let message else { return nil }
            guard error == nil else { throw BrokenPromise("\(message) behind an error") }
            let end = came.count - reader.waitingByteCount
            try checkForm(message, came[takenByteCount..<end])
            takenByteCount = end
            return message
        }

        /// There is one form only of each message.
        private func checkForm(_ message: PeerMessage, _ sent: ArraySlice<UInt8>) throws {
            var again: [UInt8] = []
            message.append(to: &again, in: .newest)
            guard Self.isSame(again, sent), message.byteCount(in: .newest) == sent.count else {
                throw BrokenPromise("\(message) came as \(Array(sent)), goes as \(again)")
            }
        }

        /// Not byte by byte: each comparison is one that a fuzzer remembers.
        private static func isSame(_ one: [UInt8], _ other: ArraySlice<UInt8>) -> Bool {
            one.count == other.count
                && one.withUnsafeBytes { bytes in
                    other.withUnsafeBytes {
                        bytes.isEmpty || memcmp(bytes.baseAddress!, $0.baseAddress!, $0.count) == 0
                    }
                }
        }

        /// Reads all that has come once more, cut in another way.
        func checkCut(_ cuts: Cuts) throws {
            var cuts = cuts
            // Byte by byte a long one takes too much time, and shows nothing more.
            if case .pieces(let byteCount) = cuts, came.count > 8_000 {
                cuts = .pieces(byteCount: byteCount + 996)
            }
            var other = FrameReading()
            var start = 0
            for length in cuts.lengths(of: came.count) {
                _ = try other.take(Array(came[start..<start + length]))
                start += length
            }
            guard other.messages == messages, other.error == error else {
                throw BrokenPromise(
                    "\(cuts): \(other.messages), \(String(describing: other.error))\n"
                        + "      else \(messages), \(String(describing: error))")
            }
            guard error != nil else { return }
            // Nothing is behind an error, not even what would be right.
            var right: [UInt8] = []
            PeerFrame.acknowledge(sequence: 1).append(to: &right, in: .newest)
            _ = try other.take(right)
        }

        /// What a member sends must be what another one takes. Returns its type.
        static func checkSent(_ message: PeerMessage) throws -> UInt8 {
            var bytes: [UInt8] = []
            message.append(to: &bytes, in: .newest)
            var reading = FrameReading()
            let messages = try reading.take(bytes)
            guard messages.count == 1, reading.error == nil else {
                throw BrokenPromise("\(message) is sent, which nobody takes")
            }
            return bytes[4]
        }
    }
#endif
