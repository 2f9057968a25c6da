package import EventLoop

/// A socket that listens, and how what comes by it is secured where TLS is on.
package struct SecuredSocket {
    package let socket: ListeningSocket
    package let security: ListenerSecurity
    /// The place that it was made for.
    let place: NodeConfiguration.Listening?

    init(
        socket: ListeningSocket, security: ListenerSecurity,
        place: NodeConfiguration.Listening? = nil
    ) {
        self.socket = socket
        self.security = security
        self.place = place
    }
}

/// One that somebody holds for a node, with the name by which the node knows whose it is.
package struct NamedSocket {
    package let socket: ListeningSocket
    package let name: String
}

extension NodeConfiguration {
    /// The sockets of all spaces, for who only holds them for a node.
    package func makeNamedSockets() throws(NodeError) -> [NamedSocket] {
        var all: [NamedSocket] = []
        for space in spaces {
            all += try makeSockets(for: space).map {
                let security = $0.security.rawValue
                return NamedSocket(
                    socket: $0.socket, name: space.isNamed ? "\(space.name).\(security)" : security)
            }
        }
        return all
    }

    /// Looks at what a start would refuse, as far as that changes nothing.
    package func check() throws(NodeError) {
        if let admin = rules.admin { _ = try AdminSecurity(admin) }
        for space in spaces {
            _ = try SpaceMaker(self, space)
            guard let path = space.memoryFile else { continue }
            try SpaceMaker.checkOwner(MemoryFile.owner(at: path), of: path, for: space)
        }
    }

    /// The sockets that a space listens on.
    package func makeSockets(
        for space: SpaceConfiguration
    ) throws(NodeError) -> [SecuredSocket] {
        var sockets: [SecuredSocket] = []
        for place in space.places { sockets += try makeSockets(at: place) }
        return sockets
    }

    func makeSockets(at listening: Listening) throws(NodeError) -> [SecuredSocket] {
        let backlog = Int32(clamping: rules.backlog)
        do throws(SocketError) {
            switch listening {
            case .unix(let path, let mode):
                let socket = try ListeningSocket.unix(path: path, mode: mode, backlog: backlog)
                return [SecuredSocket(socket: socket, security: .clear, place: listening)]
            case .tcp(let places):
                var sockets: [SecuredSocket] = []
                for place in places {
                    for socket in try ListeningSocket.tcp(
                        host: place.host, port: place.port, backlog: backlog)
                    {
                        sockets.append(
                            SecuredSocket(
                                socket: socket, security: place.security, place: listening))
                    }
                }
                return sockets
            case .handedOver(let sockets):
                return sockets.map { handedOver in
                    let socket = ListeningSocket(adopting: handedOver.descriptor)
                    return SecuredSocket(
                        socket: socket,
                        security: socket.address.isUnix ? .clear : handedOver.security,
                        place: listening)
                }
            }
        } catch {
            throw NodeError(error)
        }
    }
}
