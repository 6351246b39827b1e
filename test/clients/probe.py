"""What grpc_health_probe and grpcurl ask: grpc.health.v1 and server reflection."""

import expected
import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "inference.GRPCInferenceService"
channel = grpc.insecure_channel(expected.GRPC)
health = health_pb2_grpc.HealthStub(channel)
database = ProtoReflectionDescriptorDatabase(channel)


def check_health():
    for service in ("", SERVICE):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, (service, answer)
    error = expected.refused(lambda: health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=10), grpc.RpcError)
    assert error.code() == grpc.StatusCode.NOT_FOUND, error


def check_watching_health():
    watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10)
    assert next(iter(watch)).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def check_reflection_is_enough_to_call():
    names = set(database.get_services())
    assert {SERVICE, "grpc.health.v1.Health"} <= names, names
    service = DescriptorPool(database).FindServiceByName(SERVICE)
    methods = {m.name for m in service.methods}
    assert {"ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer", "RepositoryIndex"} <= methods, methods
    # Field 1 of both messages is the name, as a text: enough to call without the .proto.
    call = channel.unary_unary(f"/{SERVICE}/ModelMetadata", request_serializer=lambda b: b, response_deserializer=lambda b: b)
    assert b"probabilities" in call(b"\x0a\x05churn", timeout=10)


expected.main()
channel.close()
