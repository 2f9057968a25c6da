#if DEBUG || Fuzzing
    package import TestSupport

    /// One place that takes bytes of somebody else, as a plain function: tests replay its corpus, and
    /// `scripts/fuzz` goes on from there.
    package struct FuzzBody: Sendable {
        /// Also that of its folder in `Corpus`.
        package let name: String
        /// Longer inputs show nothing more, and take longer.
        package let byteCountMax: Int
        /// Takes an input. Returns what is wrong, nil for nothing. It may also trap, which is worse.
        package let check: @Sendable ([UInt8]) -> String?
        /// An input that is mostly a right one.
        package let random: @Sendable (inout SeededGenerator) -> [UInt8]
        /// Changes an input, knowing what it is made of; nil where any change of its bytes is as good.
        package let mutate: (@Sendable ([UInt8], inout SeededGenerator) -> [UInt8])?

        init(
            _ name: String, byteCountMax: Int,
            check: @escaping @Sendable ([UInt8]) -> String?,
            random: @escaping @Sendable (inout SeededGenerator) -> [UInt8],
            mutate: (@Sendable ([UInt8], inout SeededGenerator) -> [UInt8])? = nil
        ) {
            self.name = name
            self.byteCountMax = byteCountMax
            self.check = check
            self.random = random
            self.mutate = mutate
        }

        /// All of them.
        package static let all: [FuzzBody] = [
            line, conversation, packets, login, tls, map, recovery, waiting, reply, configuration,
            definition, frames, greeting, values,
        ]

        package static func named(_ name: String) -> FuzzBody? { all.first { $0.name == name } }
    }

    /// Random bytes, where nothing is known to be better.
    func randomBytes(atMost count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &generator)).map { _ in
            UInt8.random(in: .min ... .max, using: &generator)
        }
    }

    extension FuzzBody {
        /// The parsers of text and meta commands, and where a line ends.
        static let line = FuzzBody(
            "line", byteCountMax: 320,
            check: { input in
                if let problem = checkFraming(input) { return problem }
                let line = Array(input.prefix { $0 != UInt8(ascii: "\n") })
                return checkParser(line)
            },
            random: { randomLine(using: &$0) },
            mutate: { input, generator in
                mutateWords(of: input, from: { randomLine(using: &$0) }, using: &generator)
            })

        /// Whole conversations in text and meta.
        static let conversation = FuzzBody(
            "conversation", byteCountMax: 4_096, check: checkConversationInput,
            random: { generator in
                randomBytes(2, using: &generator)
                    + ConversationInput.packed(randomConversation(using: &generator))
            },
            mutate: { input, generator in
                Array(input.prefix(2))
                    + mutateCommands(of: Array(input.dropFirst(2)), using: &generator)
            })

        /// Whole conversations in the binary protocol.
        static let packets = FuzzBody(
            "packets", byteCountMax: 4_096, check: checkPacketInput,
            random: { generator in
                randomBytes(2, using: &generator)
                    + ConversationInput.packed(randomPackets(using: &generator))
            },
            mutate: { input, generator in
                Array(input.prefix(2))
                    + mutatePackets(of: Array(input.dropFirst(2)), using: &generator)
            })

        /// Peers that have to log in.
        static let login = FuzzBody(
            "login", byteCountMax: 2_100, check: checkLogin, random: randomLogin,
            mutate: { input, generator in
                input.first == 0x80
                    ? mutatePackets(of: input, using: &generator)
                    : mutateCommands(of: input, using: &generator)
            })

        /// What a peer sends in TLS, and what somebody between a client and a node does.
        static let tls = FuzzBody(
            "tls", byteCountMax: 2_000, check: checkTLS, random: randomTLS)

        /// Operations on a map.
        static let map = FuzzBody(
            "map", byteCountMax: 1_500, check: checkMap,
            random: { randomBytes(atMost: 1_000, using: &$0) })

        /// Memory that a node finds damaged.
        static let recovery = FuzzBody(
            "recovery", byteCountMax: 256, check: checkRecovery,
            random: { randomBytes(atMost: 100, using: &$0) })

        /// Several peers that wait for locks, hang up, and are late.
        static let waiting = FuzzBody(
            "waiting", byteCountMax: 512, check: checkWaiting,
            random: { randomBytes(atMost: 200, using: &$0) })

        /// What a client reads of a node.
        static let reply = FuzzBody(
            "reply", byteCountMax: 512, check: checkReplies,
            random: { randomReplies(using: &$0) },
            mutate: { input, generator in
                mutateWords(of: input, from: { randomReplies(using: &$0) }, using: &generator)
            })

        /// What a client reads of a node about its cluster.
        static let configuration = FuzzBody(
            "configuration", byteCountMax: 1_024, check: checkConfiguration,
            random: { randomConfiguration(using: &$0) },
            mutate: { input, generator in
                mutateWords(of: input, from: { randomConfiguration(using: &$0) }, using: &generator)
            })

        /// A cluster's definition file.
        static let definition = FuzzBody(
            "definition", byteCountMax: 2_048, check: checkDefinition,
            random: { Array(randomDefinition(using: &$0).utf8) },
            mutate: { input, generator in
                mutateWords(
                    of: input, from: { Array(randomDefinition(using: &$0).utf8) }, using: &generator
                )
            })

        /// What members send each other, once they know each other.
        static let frames = FuzzBody(
            "frames", byteCountMax: 4_096, check: checkFrames,
            random: { randomFrames(using: &$0) },
            mutate: { mutateFrames(of: $0, using: &$1) })

        /// What frameworks store of sessions, and who looks for users there.
        static let values = FuzzBody(
            "values", byteCountMax: 1_024, check: checkValue,
            random: { randomValue(using: &$0) },
            mutate: { input, generator in
                mutateWords(of: input, from: { randomValue(using: &$0) }, using: &generator)
            })

        /// What somebody says who wants to be known as a member.
        static let greeting = FuzzBody(
            "greeting", byteCountMax: 320, check: checkGreeting,
            random: { randomGreeting(using: &$0) },
            mutate: { mutateGreeting(of: $0, using: &$1) })
    }

    func randomBytes(_ count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
#endif
