#include "services/router/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

MemberInfo Member(const std::string& id, Role role) {
  MemberInfo member;
  member.id = id;
  member.role = role;
  member.incarnation = 7;
  return member;
}

ModelConfig MoeModel() {
  ModelConfig model;
  model.num_layers = 3;
  model.first_k_dense_replace = 1;
  model.num_routed_experts = 2;
  return model;
}

// Everything there: layers 1 and 2 with both experts on host "h".
ServingView FullView() {
  ServingView view;
  view.decode = {Member("d", Role::kDecode)};
  view.prefill = {Member("p", Role::kPrefill)};
  view.expert_hosts = {Member("h", Role::kExpertHost)};
  auto map = std::make_shared<PlacementMap>();
  map->epoch = 4;
  map->layers = {{}, {{{"h", 7, 1}}, {{"h", 7, 1}}}, {{{"h", 7, 1}}, {{"h", 7, 1}}}};
  view.placement = map;
  return view;
}

TEST(Readiness, ReadyWithEveryRole) {
  EXPECT_THAT(MissingForService(FullView(), MoeModel(), false), IsEmpty());
}

TEST(Readiness, NamesEveryMissingRole) {
  EXPECT_THAT(MissingForService({}, MoeModel(), false),
              ElementsAre("no decode worker is registered", "no prefill worker is registered",
                          "no expert host is registered"));
}

TEST(Readiness, AsksForAPlacement) {
  ServingView view = FullView();
  view.placement = std::make_shared<PlacementMap>();
  EXPECT_THAT(MissingForService(view, MoeModel(), false),
              ElementsAre("no expert placement has been published"));
}

TEST(Readiness, AReplicaOfAnEarlierLifeDoesNotCount) {
  ServingView view = FullView();
  view.expert_hosts[0].incarnation = 8;
  EXPECT_THAT(
      MissingForService(view, MoeModel(), false),
      ElementsAre(HasSubstr(
          "4 experts have no live host in placement epoch 4 (first: expert 0 of layer 1)")));
}

TEST(Readiness, LocalExpertsAndDenseModelsNeedNoHosts) {
  ServingView view = FullView();
  view.expert_hosts.clear();
  view.placement = nullptr;
  EXPECT_THAT(MissingForService(view, MoeModel(), true), IsEmpty());
  ModelConfig dense;
  dense.num_layers = 2;
  EXPECT_THAT(MissingForService(view, dense, false), IsEmpty());
}

}  // namespace
}  // namespace conclave
