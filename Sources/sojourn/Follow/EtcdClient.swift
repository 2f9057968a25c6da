import NIOCore
import NIOHTTP1
import NIOPosix
import SessionClient

/// Asks members of etcd over HTTP, each time on a connection of its own: questions are few.
struct EtcdClient: Sendable {
    /// Until there is a connection, and until a question is answered.
    static let connectSeconds = 3.0
    static let answerSeconds = 5.0

    let endpoints: [EtcdEndpoint]
    let key: String
    /// For endpoints with `https`.
    let access: NodeAccess

    func token(at endpoint: Int, _ credentials: Credentials) async throws(EtcdTrouble) -> String {
        try EtcdAnswer.token(
            try await answer(
                .authenticate(user: credentials.user, password: credentials.password),
                at: endpoint, token: nil))
    }

    func read(at endpoint: Int, token: String?) async throws(EtcdTrouble) -> EtcdReading {
        try EtcdAnswer.reading(try await answer(.read(key: key), at: endpoint, token: token))
    }

    /// Hands over what changes, until so much time is over.
    func watch(
        from revision: Int64, at endpoint: Int, token: String?, seconds: Double,
        _ take: (EtcdNews) throws(EtcdTrouble) -> Void
    ) async throws(EtcdTrouble) {
        do {
            try await ask(
                .watch(key: key, from: revision), at: endpoint, token: token, seconds: seconds
            ) { line throws(EtcdTrouble) in
                try take(try EtcdAnswer.news(line))
                return true
            }
        } catch .late {
            return
        }
        throw .unreachable("the watch has ended")
    }

    private func answer(
        _ question: EtcdQuestion, at endpoint: Int, token: String?
    ) async throws(EtcdTrouble) -> [UInt8] {
        var answer: [UInt8]?
        try await ask(question, at: endpoint, token: token, seconds: Self.answerSeconds) { line in
            answer = line
            return false
        }
        guard let answer else { throw .unreachable("hung up instead of answering") }
        return answer
    }

    // MARK: HTTP

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// Asks, and hands over the answer's lines until `take` has enough or the answer ends.
    private func ask(
        _ question: EtcdQuestion, at index: Int, token: String?, seconds: Double,
        _ take: ([UInt8]) throws(EtcdTrouble) -> Bool
    ) async throws(EtcdTrouble) {
        let endpoint = endpoints[index]
        let end = ContinuousClock.now + .seconds(seconds)
        do {
            let connection = try await connect(to: endpoint)
            let channel = connection.channel
            // Whoever waits for the next part finds the end then.
            let alarm = channel.eventLoop.scheduleTask(
                in: .nanoseconds(Int64((end - .now) / .nanoseconds(1)))
            ) { channel.close(promise: nil) }
            defer { alarm.cancel() }
            try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(
                    contentsOf: try request(question, to: endpoint, token: token))
                try await receive(inbound, take)
            }
        } catch let trouble as EtcdTrouble {
            throw trouble
        } catch {
            if ContinuousClock.now >= end { throw .late(seconds: seconds) }
            throw .unreachable(ConnectingFailure(error).description)
        }
        // An answer that has no end is cut off: its part may be missing.
        if ContinuousClock.now >= end { throw .late(seconds: seconds) }
    }

    private func receive(
        _ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>,
        _ take: ([UInt8]) throws(EtcdTrouble) -> Bool
    ) async throws {
        var status = 200
        var lines = BoundedLines()
        func hand() throws -> Bool {
            for line in lines.take() {
                if status != 200 { throw EtcdAnswer.trouble(status: status, line) }
                if try !take(line) { return false }
            }
            return true
        }
        for try await part in parts {
            switch part {
            case .head(let head): status = Int(head.status.code)
            case .body(let buffer):
                try lines.append(buffer.readableBytesView)
                guard try hand() else { return }
            case .end:
                lines.end()
                guard try hand() else { return }
                if status != 200 { throw EtcdAnswer.trouble(status: status, []) }
                return
            }
        }
    }

    private func connect(to endpoint: EtcdEndpoint) async throws -> Connection {
        let access = endpoint.isSecure ? access : NodeAccess.open
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.nanoseconds(Int64(Self.connectSeconds * 1e9)))
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try access.begin(on: channel, with: endpoint.host)
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func request(
        _ question: EtcdQuestion, to endpoint: EtcdEndpoint, token: String?
    ) throws -> [HTTPClientRequestPart] {
        let body = ByteBuffer(bytes: try question.body())
        var headers: HTTPHeaders = [
            "Host": endpoint.authority, "Content-Type": "application/json",
            "Content-Length": "\(body.readableBytes)", "Connection": "close",
        ]
        if let token { headers.add(name: "Authorization", value: token) }
        return [
            .head(.init(version: .http1_1, method: .POST, uri: question.path, headers: headers)),
            .body(.byteBuffer(body)), .end(nil),
        ]
    }
}
