"""The bodies of published data sets, joint by joint."""

from __future__ import annotations

from motion_jax.skeletons.skeleton import Joint, Skeleton

# The 32 joints of Human3.6M in mm: the one body with which the field measures every subject. Joints without a bone of
# their own lie on their parent. Source: the forward kinematics of the code of Martinez et al., CVPR 2017.
# fmt: off
_H36M_TABLE = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("RightUpLeg", "Hips", "right_leg", (-132.948591, 0, 0)),
    Joint("RightLeg", "RightUpLeg", "right_leg", (0, -442.894612, 0)),
    Joint("RightFoot", "RightLeg", "right_leg", (0, -454.206447, 0)),
    Joint("RightToeBase", "RightFoot", "right_leg", (0, 0, 162.767078)),
    Joint("RightToeBase.Site", "RightToeBase", "right_leg", (0, 0, 74.999437)),
    Joint("LeftUpLeg", "Hips", "left_leg", (132.948826, 0, 0)),
    Joint("LeftLeg", "LeftUpLeg", "left_leg", (0, -442.894413, 0)),
    Joint("LeftFoot", "LeftLeg", "left_leg", (0, -454.206590, 0)),
    Joint("LeftToeBase", "LeftFoot", "left_leg", (0, 0, 162.767426)),
    Joint("LeftToeBase.Site", "LeftToeBase", "left_leg", (0, 0, 74.999948)),
    Joint("Spine", "Hips", "spine", (0, 0.1, 0)),
    Joint("Spine1", "Spine", "spine", (0, 233.383263, 0)),
    Joint("Neck", "Spine1", "spine", (0, 257.077681, 0)),
    Joint("Head", "Neck", "spine", (0, 121.134938, 0)),
    Joint("Head.Site", "Head", "spine", (0, 115.002227, 0)),
    Joint("LeftShoulder", "Spine1", "left_arm", (0, 257.077681, 0)),
    Joint("LeftArm", "LeftShoulder", "left_arm", (0, 151.034226, 0)),
    Joint("LeftForeArm", "LeftArm", "left_arm", (0, 278.882773, 0)),
    Joint("LeftHand", "LeftForeArm", "left_arm", (0, 251.733451, 0)),
    Joint("LeftHandThumb", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LeftHandThumb.Site", "LeftHandThumb", "left_arm", (0, 0, 99.999627)),
    Joint("L_Wrist_End", "LeftHand", "left_arm", (0, 100.000188, 0)),
    Joint("L_Wrist_End.Site", "L_Wrist_End", "left_arm", (0, 0, 0)),
    Joint("RightShoulder", "Spine1", "right_arm", (0, 257.077681, 0)),
    Joint("RightArm", "RightShoulder", "right_arm", (0, 151.031437, 0)),
    Joint("RightForeArm", "RightArm", "right_arm", (0, 278.892924, 0)),
    Joint("RightHand", "RightForeArm", "right_arm", (0, 251.728680, 0)),
    Joint("RightHandThumb", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RightHandThumb.Site", "RightHandThumb", "right_arm", (0, 0, 99.999888)),
    Joint("R_Wrist_End", "RightHand", "right_arm", (0, 137.499922, 0)),
    Joint("R_Wrist_End.Site", "R_Wrist_End", "right_arm", (0, 0, 0)),
)

# The 38 joints of CMU's recordings in the unit of their files. Source: the forward kinematics of the code of Mao et
# al., "Learning trajectory dependencies for human motion prediction", ICCV 2019, which takes 70 mm to the unit; every
# published error is on that scale. In truth the unit is 56.444 mm.
_CMU_TABLE = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("LHipJoint", "Hips", "left_leg", (0, 0, 0)),
    Joint("LeftUpLeg", "LHipJoint", "left_leg", (1.65674, -1.80282, 0.62477)),
    Joint("LeftLeg", "LeftUpLeg", "left_leg", (2.5972, -7.13576, 0)),
    Joint("LeftFoot", "LeftLeg", "left_leg", (2.49236, -6.8477, 0)),
    Joint("LeftToeBase", "LeftFoot", "left_leg", (0.19704, -0.54136, 2.14581)),
    Joint("LeftToeBase.End", "LeftToeBase", "left_leg", (0, 0, 1.11249)),
    Joint("RHipJoint", "Hips", "right_leg", (0, 0, 0)),
    Joint("RightUpLeg", "RHipJoint", "right_leg", (-1.6107, -1.80282, 0.62476)),
    Joint("RightLeg", "RightUpLeg", "right_leg", (-2.59502, -7.12977, 0)),
    Joint("RightFoot", "RightLeg", "right_leg", (-2.4678, -6.78024, 0)),
    Joint("RightToeBase", "RightFoot", "right_leg", (-0.23024, -0.63258, 2.13368)),
    Joint("RightToeBase.End", "RightToeBase", "right_leg", (0, 0, 1.11569)),
    Joint("LowerBack", "Hips", "spine", (0, 0, 0)),
    Joint("Spine", "LowerBack", "spine", (0.01961, 2.0545, -0.14112)),
    Joint("Spine1", "Spine", "spine", (0.01021, 2.06436, -0.05921)),
    Joint("Neck", "Spine1", "spine", (0, 0, 0)),
    Joint("Neck1", "Neck", "spine", (0.00713, 1.56711, 0.14968)),
    Joint("Head", "Neck1", "spine", (0.03429, 1.56041, -0.10006)),
    Joint("Head.End", "Head", "spine", (0.01305, 1.6256, -0.05265)),
    Joint("LeftShoulder", "Spine1", "left_arm", (0, 0, 0)),
    Joint("LeftArm", "LeftShoulder", "left_arm", (3.54205, 0.90436, -0.17364)),
    Joint("LeftForeArm", "LeftArm", "left_arm", (4.86513, 0, 0)),
    Joint("LeftHand", "LeftForeArm", "left_arm", (3.35554, 0, 0)),
    Joint("LeftFingerBase", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LeftHandIndex1", "LeftFingerBase", "left_arm", (0.66117, 0, 0)),
    Joint("LeftHandIndex1.End", "LeftHandIndex1", "left_arm", (0.53306, 0, 0)),
    Joint("LThumb", "LeftHand", "left_arm", (0, 0, 0)),
    Joint("LThumb.End", "LThumb", "left_arm", (0.5412, 0, 0.5412)),
    Joint("RightShoulder", "Spine1", "right_arm", (0, 0, 0)),
    Joint("RightArm", "RightShoulder", "right_arm", (-3.49802, 0.75994, -0.32616)),
    Joint("RightForeArm", "RightArm", "right_arm", (-5.02649, 0, 0)),
    Joint("RightHand", "RightForeArm", "right_arm", (-3.36431, 0, 0)),
    Joint("RightFingerBase", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RightHandIndex1", "RightFingerBase", "right_arm", (-0.73041, 0, 0)),
    Joint("RightHandIndex1.End", "RightHandIndex1", "right_arm", (-0.58887, 0, 0)),
    Joint("RThumb", "RightHand", "right_arm", (0, 0, 0)),
    Joint("RThumb.End", "RThumb", "right_arm", (-0.59786, 0, 0.59786)),
)
# fmt: on

H36M = Skeleton.from_table("h36m", _H36M_TABLE, root="difference")
CMU = Skeleton.from_table("cmu", _CMU_TABLE, unit_mm=70.0, translation_mm=70.0, true_scale=56.444 / 70)
SKELETONS: dict[str, Skeleton] = {body.name: body for body in (H36M, CMU)}
