#if Hummingbird
    import Crypto
    public import Hummingbird
    public import SessionClient

    #if canImport(FoundationEssentials)
        import FoundationEssentials
    #else
        import Foundation
    #endif

    /// Hummingbird's key-value store, and with it its sessions, on a Sojourn cluster.
    ///
    /// Values are JSON. `shutdown()` shuts the client down; the driver runs it as a service, so that the
    /// client has no need to be run beside it.
    ///
    /// ```swift
    /// let persist = try SojournPersistDriver(client: cache)
    /// let app = Application(router: router, services: [persist])
    /// ```
    public struct SojournPersistDriver: PersistDriver {
        private let client: CacheClient
        private let prefix: String

        /// Attempts to store what others change meanwhile.
        private static let attemptCountMax = 16

        /// - Parameter prefix: in front of every key: at most 100 bytes without spaces or control bytes.
        /// - Throws: `CacheError` with `.invalidKey` for a prefix that is none.
        public init(client: CacheClient, prefix: String = "persist:") throws(CacheError) {
            guard prefix.utf8.count <= 100 else { throw CacheError(.invalidKey) }
            _ = try CacheKey(prefix + "k")
            self.client = client
            self.prefix = prefix
        }

        /// Stores a value under a key that has none.
        ///
        /// - Throws: `PersistError.duplicate` if it has one.
        public func create<Object: Codable & Sendable>(
            key: String, value: Object, expires: Duration?
        ) async throws {
            let stored = try await client.add(
                itemKey(key), try encode(value), expiry: Self.expiry(expires))
            guard stored != nil else { throw PersistError.duplicate }
        }

        /// Stores a value, whatever was there. Without `expires` an item that is there keeps its own time, which takes a second round trip.
        public func set<Object: Codable & Sendable>(
            key: String, value: Object, expires: Duration?
        ) async throws {
            let item = try itemKey(key)
            let encoded = try encode(value)
            guard expires == nil else {
                try await client.set(item, to: encoded, expiry: Self.expiry(expires))
                return
            }
            for _ in 0..<Self.attemptCountMax {
                guard let current = try await client.get(item) else {
                    if try await client.add(item, encoded) != nil { return }
                    continue
                }
                let outcome = try await client.compareAndSet(
                    item, to: encoded, expected: current.casUnique,
                    expiry: Self.expiry(current.timeLeft))
                if case .stored = outcome { return }
            }
            throw CacheError(.contended)
        }

        /// The value of a key; nil if there is none.
        ///
        /// - Throws: `PersistError.invalidConversion` if it is of another type.
        public func get<Object: Codable & Sendable>(
            key: String, as type: Object.Type
        ) async throws -> Object? {
            guard let item = try await client.get(itemKey(key)) else { return nil }
            return try decode(item, as: type)
        }

        /// The value of a key, and the time that it has left: nil for one that never expires.
        public func getWithTTL<Object: Codable & Sendable>(
            key: String, as type: Object.Type
        ) async throws -> (object: Object, ttl: Duration?)? {
            guard let item = try await client.get(itemKey(key)) else { return nil }
            return (try decode(item, as: type), item.timeLeft)
        }

        /// Deletes the value of a key, if there is one.
        public func remove(key: String) async throws {
            try await client.delete(itemKey(key))
        }

        /// Runs the client.
        public func run() async throws { try await client.run() }

        /// Shuts the client down.
        public func shutdown() async throws { client.shutDown() }

        // MARK: Parts

        /// An application's key may be anything, also what a browser sent: what fits is taken as it is,
        /// anything else by its hash. The letter in between keeps the two apart.
        private func itemKey(_ key: String) throws(CacheError) -> CacheKey {
            if let plain = try? CacheKey("\(prefix)k\(key)") { return plain }
            let digest = SHA256.hash(data: Array(key.utf8))
            let digits = digest.map { byte in
                let text = String(byte, radix: 16)
                return text.count == 1 ? "0" + text : text
            }
            return try CacheKey("\(prefix)h\(digits.joined())")
        }

        /// A time that is left is given in whole seconds; in its last one there is none.
        private static func expiry(_ duration: Duration?) -> Expiry {
            duration.map { .after($0) } ?? .never
        }

        private func encode(_ value: some Codable) throws -> [UInt8] {
            Array(try JSONEncoder().encode(value))
        }

        private func decode<Object: Codable>(_ item: CacheItem, as type: Object.Type) throws
            -> Object
        {
            do {
                return try JSONDecoder().decode(type, from: Data(item.value))
            } catch is DecodingError {
                throw PersistError.invalidConversion
            }
        }
    }
#endif
