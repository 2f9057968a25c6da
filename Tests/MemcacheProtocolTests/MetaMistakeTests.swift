import Testing

@testable import MemcacheProtocol

/// Meta commands that are none: which error, and where the next command begins.
@Suite(.timeLimit(.minutes(10)))
struct MetaMistakeTests {
    @Test(
        "Without a key, or without a length, nothing is swallowed",
        arguments: [
            "mg", "ms", "md", "ma", "me", "mg ", "ms  ", "ms k", "ms k ", "ms k x", "ms k -1",
            "ms k +1", "ms k 1x", "ms k T5", "ms k 2147483646", "ms k 4294967296",
            "ms k 18446744073709551616", "ms k x T5 q",
        ])
    func noKeyOrLength(line: String) throws {
        #expect(try metaMistake(line) == Failure(.badFormat))
    }

    @Test("The longest data block is 2,147,483,645 bytes")
    func lengthLimit() throws {
        let limit = ProtocolLimits.valueByteCountMax
        for count in [0, limit - 1, limit] {
            #expect(try metaRequest("ms k \(count)").valueByteCount == count)
        }
        #expect(try metaMistake("ms k \(limit + 1)") == Failure(.badFormat))
        #expect(
            try metaMistake("ms k \(limit) T")
                == Failure(.badToken, recovery: .swallow(byteCount: limit + 2)))
    }

    @Test("A key has at most 250 bytes, as it is sent")
    func keyLength() throws {
        let limit = ProtocolLimits.keyByteCountMax
        for word in ["mg", "md", "ma", "me"] {
            #expect(try metaRequest("\(word) \(times(limit - 1))").key.count == limit - 1)
            #expect(try metaRequest("\(word) \(times(limit))").key.count == limit)
            let error: ErrorReply = word == "ma" ? .invalidOrDuplicateFlag : .badFormat
            #expect(try metaMistake("\(word) \(times(limit + 1))") == Failure(error))
        }
        #expect(try metaRequest("ms \(times(limit)) 5").key.count == limit)
        #expect(
            try metaMistake("ms \(times(limit + 1)) 5 q")
                == Failure(.badFormat, recovery: .swallow(byteCount: 7)))
        // 62 times four letters are 248 bytes, which stand for 186.
        let encoded = try metaRequest("mg \(times(62, "YWFh")) b")
        #expect(encoded.flags == [.encodedKey])
        #expect(try metaMistake("mg \(times(63, "YWFh")) b") == Failure(.badFormat))
    }

    /// Each letter that some command knows, with a good token.
    private static let goodFlags = [
        "s", "v", "c", "f", "t", "k", "h", "l", "u", "q", "x", "O1", "P1", "L1", "T1", "N1", "R1",
        "C1", "E1", "F1", "MI", "J1", "D1", "I",
    ]

    @Test("A line has at most 20 words, verb and key among them")
    func wordCount() throws {
        let limit = ProtocolLimits.metaWordCountMax
        for (start, count) in [("mg k", 2), ("md k", 2), ("ma k", 2), ("ms k 5", 3)] {
            func line(_ wordCount: Int) -> String {
                start + " " + Self.goodFlags.prefix(wordCount - count).joined(separator: " ")
            }
            #expect(try metaMistake(line(limit - 1)) == nil)
            #expect(try metaMistake(line(limit)) == nil)
            let error = start == "ma k" ? ErrorReply.invalidOrDuplicateFlag : .tooManyWords
            let recovery =
                start == "ms k 5" ? Failure.Recovery.swallow(byteCount: 7) : .nextLine
            #expect(try metaMistake(line(limit + 1)) == Failure(error, recovery: recovery))
        }
        // Further words may be repetitions or no flags at all.
        #expect(try metaMistake("mg k" + times(19, " v")) == Failure(.tooManyWords))
        #expect(try metaMistake("mg k" + times(19, " a")) == Failure(.tooManyWords))
        #expect(try metaMistake("mg k" + times(17, " a")) == Failure(.invalidFlag))
    }

    @Test("An opaque token has at most 31 bytes")
    func opaqueLength() throws {
        let limit = ProtocolLimits.opaqueByteCountMax
        for start in ["mg k", "md k", "ma k", "ms k 5"] {
            for count in [0, 1, limit - 1, limit] {
                #expect(try metaMistake("\(start) O" + times(count, "x")) == nil)
            }
            let recovery =
                start == "ms k 5" ? Failure.Recovery.swallow(byteCount: 7) : .nextLine
            #expect(
                try metaMistake("\(start) O" + times(limit + 1, "x"))
                    == Failure(.opaqueTooLong, recovery: recovery))
        }
    }

    @Test("A letter that no command knows, or knows already, is told as such")
    func wrongLetters() throws {
        for line in ["mg k a", "mg k v S", "md k Z", "mg k 1", "mg k _", "mg k v a v"] {
            #expect(try metaMistake(line) == Failure(.invalidFlag), "\(line)")
        }
        for line in ["mg k v v", "mg k T5 T6", "md k q x q", "mg k v v a"] {
            #expect(try metaMistake(line) == Failure(.duplicateFlag), "\(line)")
        }
        for flag in Self.goodFlags {
            #expect(try metaMistake("mg k \(flag) \(flag)") == Failure(.duplicateFlag), "\(flag)")
        }
    }

    @Test("What cannot be a flag makes the line none, even behind what is wrong")
    func noFlags() throws {
        for byte in ["!", "-", "{", "@", "~", "\t", "\u{0}", "\u{7F}", "é"] {
            for start in ["mg k", "md k", "ma k", "me k", "mg k a", "mg k v v"] {
                #expect(
                    try metaMistake("\(start) \(byte)") == Failure(.badFormat), "\(start) \(byte)")
            }
            #expect(
                try metaMistake("ms k 5 \(byte)")
                    == Failure(.badFormat, recovery: .swallow(byteCount: 7)))
        }
    }

    @Test("Each wrong token has its words, which ma has not")
    func wrongTokens() throws {
        let bad = ["", "x", "-", "+5", "5x", "0x5", "99999999999999999999", times(23, "0")]
        let errors: [(String, ErrorReply)] = [
            ("T", .badToken), ("N", .badToken), ("R", .badToken), ("C", .badToken),
            ("E", .badToken), ("F", .badFormat), ("J", .invalidInitial), ("D", .invalidMetaDelta),
        ]
        for (letter, error) in errors {
            for token in bad + (letter == "T" || letter == "N" || letter == "R" ? [] : ["-5"]) {
                #expect(try metaMistake("mg k \(letter)\(token)") == Failure(error))
                #expect(try metaMistake("md k \(letter)\(token) q") == Failure(error))
                #expect(
                    try metaMistake("ms k 3 \(letter)\(token) q")
                        == Failure(error, recovery: .swallow(byteCount: 5)))
                #expect(
                    try metaMistake("ma k \(letter)\(token)") == Failure(.invalidOrDuplicateFlag))
            }
        }
    }

    @Test("Numbers are met at both ends of their range")
    func ranges() throws {
        for letter in ["T", "N", "R"] {
            #expect(try metaMistake("mg k \(letter)2147483647") == nil)
            #expect(try metaMistake("mg k \(letter)-2147483648") == nil)
            #expect(try metaMistake("mg k \(letter)2147483648") == Failure(.badToken))
            #expect(try metaMistake("mg k \(letter)-2147483649") == Failure(.badToken))
        }
        for letter in ["C", "E", "J", "D"] {
            #expect(try metaMistake("mg k \(letter)18446744073709551615") == nil)
            #expect(try metaMistake("mg k \(letter)18446744073709551616") != nil)
        }
        #expect(try metaMistake("mg k F4294967295") == nil)
        #expect(try metaMistake("mg k F4294967296") == Failure(.badFormat))
    }

    @Test("Of several wrong tokens the last is told; those of F and O give way")
    func severalWrongTokens() throws {
        let opaque = "O" + times(32, "x")
        for (flags, error) in [
            ("Tx Dx", ErrorReply.invalidMetaDelta), ("Dx Tx", .badToken), ("Fx Tx", .badToken),
            ("Tx Fx", .badToken), ("\(opaque) Jx", .invalidInitial),
            ("Jx \(opaque)", .invalidInitial), ("Tx a", .invalidFlag), ("a Tx", .invalidFlag),
        ] {
            #expect(try metaMistake("mg k \(flags)") == Failure(error), "\(flags)")
        }
    }

    @Test("A key that is not base64 is told, but by me and ma in their own words")
    func undecodable() throws {
        for key in ["%%%%", "YQ", "YQ=", "====", "YQ==YQ=="] {
            #expect(try metaMistake("mg \(key) b") == Failure(.undecodableKey))
            #expect(try metaMistake("md \(key) q b") == Failure(.undecodableKey))
            #expect(
                try metaMistake("ms \(key) 5 b")
                    == Failure(.undecodableKey, recovery: .swallow(byteCount: 7)))
            #expect(try metaMistake("ma \(key) b") == Failure(.invalidOrDuplicateFlag))
            #expect(try metaMistake("me \(key) b") == Failure(.badFormat))
            #expect(try metaMistake("mg \(key)") == nil)
        }
    }

    @Test("me looks at its first flag only, and lets be what it says")
    func debug() throws {
        #expect(try metaRequest("me YQ== b").flags == [.encodedKey])
        #expect(try metaRequest("me YQ== b v T").flags == [.encodedKey])
        for line in ["me YQ== v b", "me YQ== bb", "me k a a T", "me k" + times(40, " v")] {
            #expect(try metaRequest(line).flags.isEmpty, "\(line)")
        }
    }
}
